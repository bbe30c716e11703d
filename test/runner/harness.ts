import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { createLocalRunner, type LocalRunner, type LocalRunnerOptions } from "../../src/runner/local.ts";
import type { LocatedArtifact, ServerLine, StartError, Target } from "../../src/runner/runner.ts";
import { bwrap, environment, python } from "../fixtures/environments.ts";

// Instances are real Python servers: one start takes a second, on a busy machine several.
vi.setConfig({ testTimeout: 60_000 });

export const fastmcp4 = ["fastmcp>=4,<5"];
export const fastmcp3 = ["fastmcp>=3,<4"];
export const fastmcp2 = ["fastmcp>=2,<3"];
export const mcp1 = ["mcp>=1,<2"];
export const mcpserver = ["mcp>=2,<3", "uvicorn"];

/** A folder of files that any uid may read, as a checkout is frozen. */
export function code(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "offing-code-"));
  chmodSync(folder, 0o755);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

export interface World {
  readonly runner: LocalRunner;
  readonly lines: ServerLine[];
  /** Resolves with the first line, past or to come, that `matches`. */
  line(matches: (line: ServerLine) => boolean): Promise<ServerLine>;
  /** Makes an artifact known and gives its target. */
  deploy(artifact: Partial<LocatedArtifact> & { files: Readonly<Record<string, string>> }): Promise<Target>;
}

export async function world(options: Partial<LocalRunnerOptions> = {}): Promise<World> {
  const artifacts = new Map<string, LocatedArtifact>();
  const lines: ServerLine[] = [];
  const waiting = new Set<(line: ServerLine) => void>();
  const runner = await createLocalRunner({
    python,
    bwrap,
    artifacts: {
      locate: async ({ artifact }) => {
        const located = artifacts.get(artifact);
        if (located === undefined) throw new Error("unknown");
        return located;
      },
    },
    lines: {
      write: (line) => {
        lines.push(line);
        for (const tell of waiting) tell(line);
      },
    },
    ...options,
  });
  onTestFinished(() => runner.close());
  return {
    runner,
    lines,
    line: (matches) =>
      new Promise((resolve) => {
        const past = lines.find(matches);
        if (past !== undefined) {
          resolve(past);
          return;
        }
        const tell = (line: ServerLine): void => {
          if (!matches(line)) return;
          waiting.delete(tell);
          resolve(line);
        };
        waiting.add(tell);
      }),
    deploy: async ({ files, ...rest }) => {
      const artifact = `artifact-${artifacts.size}`;
      artifacts.set(artifact, {
        code: code(files),
        environment: rest.environment ?? (await environment(fastmcp4)),
        entrypoint: "main.py",
        object: null,
        pythonPath: [],
        variables: {},
        ...rest,
      });
      return { organization: "acme", server: "fixture", artifact, scope: "production", variables: null };
    },
  };
}

/** Requests of one session need ids of their own. */
let asked = 0;

/** One JSON-RPC request to an instance; the result, or the error as it came. */
export function rpc(
  address: string,
  method: string,
  params: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: address.slice("unix:".length),
        path: "/mcp",
        method: "POST",
        agent: false,
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          "mcp-protocol-version": "2025-06-18",
          ...headers,
        },
      },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("error", reject);
        response.on("end", () => {
          const data = /^data: (.*)$/m.exec(body)?.[1] ?? body;
          try {
            const message = JSON.parse(data) as { result?: Record<string, unknown> };
            resolve(message.result ?? { status: response.statusCode, ...message });
          } catch {
            reject(new Error(`${response.statusCode}: ${body}`));
          }
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify({ jsonrpc: "2.0", id: ++asked, method, params }));
  });
}

/** Sends one message, or none; the status that it is answered with. */
export function post(
  address: string,
  message: object | null,
  headers: Record<string, string>,
  method = "POST",
): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: address.slice("unix:".length),
        path: "/mcp",
        method,
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
      },
      (response) => response.resume().on("end", () => resolve(response.statusCode!)),
    );
    outgoing.on("error", reject);
    outgoing.end(message === null ? undefined : JSON.stringify(message));
  });
}

/** The headers by which the gateway names a session to an instance. */
export function session(
  id: string,
  client = "somebody",
  protocolVersion = "2025-06-18",
): Record<string, string> {
  const hello = {
    protocolVersion,
    clientInfo: { name: client, version: "1" },
    capabilities: { sampling: {}, elicitation: {} },
  };
  return {
    "mcp-session-id": id,
    "mcp-protocol-version": protocolVersion,
    "offing-session": Buffer.from(JSON.stringify(hello)).toString("base64url"),
  };
}

/** Calls a tool; its text. */
export async function call(
  address: string,
  name: string,
  args: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const result = await rpc(address, "tools/call", { name, arguments: args }, headers);
  const content = result["content"] as readonly { text: string }[] | undefined;
  if (content === undefined) throw new Error(JSON.stringify(result));
  return content[0]?.text ?? "";
}

/** The StartError that a promise rejects with. */
export async function startError(promise: Promise<unknown>): Promise<StartError> {
  try {
    await promise;
  } catch (error) {
    return error as StartError;
  }
  throw new Error("it started, although it should not have");
}

/** A FastMCP server whose tools are the functions in `body`. */
export function fastmcpServer(body: string): string {
  return `import os, sys\nfrom fastmcp import FastMCP, Context\nmcp = FastMCP("fixture")\n${body}\n`;
}
