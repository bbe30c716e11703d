import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { bundleFolder } from "../src/cli/bundle.ts";
import type { Output } from "../src/contract/route.ts";
import type { Routes } from "../src/contract/routes.ts";
import { repository, type Files } from "./fixtures/repositories.ts";
import type { Caller } from "./world.ts";

type Build = Output<Routes["getBuild"]>;

/** Uploads files as a repository and queues a build of them; the build as it was queued. */
export async function startDeploy(
  caller: Caller,
  server: string,
  files: Files,
  options: { entrypoint?: string; ref?: string } = {},
): Promise<Build> {
  const { path } = await repository(server, files);
  const bundle = await bundleFolder(path);
  const at = { organization: caller.slug };
  const { id } = await caller.client.upload("createUpload", at, await readFile(bundle.path));
  await rm(dirname(bundle.path), { recursive: true });
  await rm(path, { recursive: true });
  return caller.client.call("startBuild", at, {
    server,
    source: {
      kind: "upload",
      upload: id,
      commit: bundle.commit,
      name: bundle.name,
      ...(options.ref ? { ref: options.ref } : {}),
    },
    ...(options.entrypoint ? { entrypoint: options.entrypoint } : {}),
  });
}

/** Follows a build to its end. */
export async function finished(
  caller: Caller,
  server: string,
  build: string,
): Promise<{ build: Build; log: string[] }> {
  const log: string[] = [];
  let last: Build | undefined;
  for await (const { data } of caller.client.stream("followBuild", {
    organization: caller.slug,
    server,
    build,
  })) {
    if (data.type === "line") log.push(data.text);
    else last = data.build;
  }
  return { build: last!, log };
}

export async function deployed(
  caller: Caller,
  server: string,
  files: Files,
  options: { entrypoint?: string; ref?: string } = {},
) {
  const started = await startDeploy(caller, server, files, options);
  return finished(caller, server, started.id);
}

export type Mode = "legacy" | "auto" | { readonly pin: string };

/** An MCP client at an endpoint, with a key. The caller closes it. */
export async function mcpClient(
  world: { readonly url: string },
  path: string,
  key: string,
  mode: Mode = "auto",
  headers: Record<string, string> = {},
): Promise<Client> {
  const transport = new StreamableHTTPClientTransport(new URL(`${world.url}/${path}/mcp`), {
    requestInit: { headers: { ...headers, authorization: `Bearer ${key}` } },
  });
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(transport);
  return client;
}

/** The text of one call's result. */
export async function callText(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const result = await client.callTool({ name, arguments: args });
  return result.content.map((part) => (part.type === "text" ? part.text : part.type)).join("");
}

/** A server whose tool answers with `answer`: two of them differ in their code and nothing else. */
export function serverSaying(answer: string, more = ""): Files {
  return {
    "requirements.txt": "fastmcp>=4,<5\n",
    "main.py": `from fastmcp import Context, FastMCP

mcp = FastMCP("Answer")


@mcp.tool
def answer() -> str:
    return ${JSON.stringify(answer)}

${more}`,
  };
}
