import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { discover } from "../../src/upstream/discover.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { Agent } from "undici";
import { environment } from "../fixtures/environments.ts";
import { TestGateway } from "./harness.ts";
import { Running } from "./telling.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 });

const requirements = ["fastmcp==3.4.10"];

/** As an author of FastMCP 3 writes tools that ask. */
const source = `import asyncio
from fastmcp import Context, FastMCP

mcp = FastMCP("older", instructions="Be kind.")


async def name(ctx):
    return (await ctx.elicit("Who are you?", response_type=str)).data


@mcp.tool
async def elicits(ctx: Context) -> str:
    return await name(ctx)


@mcp.tool
async def samples(ctx: Context) -> str:
    return (await ctx.sample("what?")).text


@mcp.tool
async def roots(ctx: Context) -> str:
    return str((await ctx.list_roots())[0].uri)


@mcp.tool
async def together(ctx: Context) -> str:
    who, thought = await asyncio.gather(name(ctx), ctx.sample("what?"))
    return f"{who} {thought.text}"


@mcp.tool
async def steps(ctx: Context) -> str:
    told = []
    for step in range(3):
        await ctx.report_progress(step + 1, 3)
        told.append(await name(ctx))
    await ctx.set_state("told", told)
    return " ".join(await ctx.get_state("told"))


@mcp.prompt
async def asks(ctx: Context) -> str:
    return f"Greet {await name(ctx)}"


@mcp.resource("note://asked")
async def asked(ctx: Context) -> str:
    return await name(ctx)


if __name__ == "__main__":
    import socket
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(mcp.http_app(path="/mcp"), log_level="warning")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
`;

/** A client that a person, a model and a file system stand behind. */
async function clientOf(url: string, key: string, mode: "legacy" | { pin: string } = { pin: "2026-07-28" }) {
  const client = new Client(
    { name: "person", version: "1" },
    { capabilities: { elicitation: {}, sampling: {}, roots: {} }, versionNegotiation: { mode } },
  );
  let asked = 0;
  client.setRequestHandler("elicitation/create", () => ({
    action: "accept",
    content: { value: `Ada ${++asked}` },
  }));
  client.setRequestHandler("sampling/createMessage", () => ({
    role: "assistant",
    model: "m",
    content: { type: "text", text: "deep" },
  }));
  client.setRequestHandler("roots/list", () => ({ roots: [{ uri: "file:///home/ada" }] }));
  const headers = { Authorization: `Bearer ${key}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

async function textOf(called: Promise<{ content: unknown }>): Promise<string> {
  const { content } = await called;
  return (content as { text: string }[])[0]!.text;
}

/** Starts the program as its author would; answers its URL. */
async function elsewhere(): Promise<{ child: ChildProcess; url: string }> {
  const python = join(await environment(requirements), "bin/python");
  const child = spawn(python, ["-c", source], { stdio: ["ignore", "pipe", "ignore"] });
  const [port] = (await once(createInterface(child.stdout!), "line")) as [string];
  child.stdout!.resume();
  return { child, url: `http://127.0.0.1:${port}/mcp` };
}

describe.each(["hosted", "external"] as const)(
  "A stateless client at a FastMCP 3 server that is %s",
  (kind) => {
    let world: TestGateway;
    let server: AsyncDisposable;
    let client: Client;
    beforeAll(async () => {
      world = await TestGateway.start();
      let url: string;
      if (kind === "hosted") {
        const running = await Running.start("older", { source, requirements });
        url = running.publish(world, "older");
        server = running;
      } else {
        const other = await elsewhere();
        const agent = new Agent();
        const pools = createPools({ guarded: () => agent });
        const manifest = await discover(pools.external("org_acme", other.url));
        await agent.close();
        url = world.publish("older", { address: other.url, external: true, manifest });
        server = {
          async [Symbol.asyncDispose]() {
            const over = once(other.child, "exit");
            other.child.kill("SIGKILL");
            await over;
          },
        };
      }
      client = await clientOf(url, world.key({ roles: { older: "user" } }).key);
    });
    afterAll(async () => {
      await client?.close();
      await world?.[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
    });
    const call = (name: string, onprogress?: (told: { progress: number }) => void) =>
      textOf(client.callTool({ name, arguments: {} }, { ...(onprogress && { onprogress }) }));

    test("has its person asked by a tool. [R:bridges.real-servers]", async () => {
      expect(await call("elicits")).toMatch(/^Ada \d+$/);
    });

    test("has its model asked by a tool.", async () => {
      expect(await call("samples")).toBe("deep");
    });

    test("has its roots asked for by a tool, which does not say in which call. [R:bridges.unrelated-requests]", async () => {
      expect(await call("roots")).toBe("file:///home/ada");
    });

    test("has its person and its model asked at once.", async () => {
      expect(await call("together")).toMatch(/^Ada \d+ deep$/);
    });

    test("has its person asked three times in one call, which tells its progress between.", async () => {
      const told: number[] = [];
      expect(await call("steps", ({ progress }) => told.push(progress))).toMatch(/^Ada \d+ Ada \d+ Ada \d+$/);
      expect(told).toEqual(expect.arrayContaining([1, 2, 3]));
    });

    test("has its person asked by a prompt and by a resource.", async () => {
      const { messages } = await client.getPrompt({ name: "asks" });
      expect(messages[0]!.content).toMatchObject({ text: expect.stringMatching(/^Greet Ada \d+$/) });
      const { contents } = await client.readResource({ uri: "note://asked" });
      expect(contents[0]).toMatchObject({ text: expect.stringMatching(/^Ada \d+$/) });
    });

    test("has each of many calls at once answered with its own.", async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => call("elicits")));
      expect(new Set(all).size).toBe(8);
    });
  },
);

describe("A server of the stateless era only", () => {
  const newer = `from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

mcp = MCPServer("newer", instructions="Be kind.")
SCHEMA = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}


@mcp.tool()
async def returns(ctx: Context):
    if ctx.input_responses is None:
        params = ElicitRequestFormParams(message="Who are you?", requested_schema=SCHEMA)
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=params)}, request_state="asked")
    return f"{ctx.input_responses['who'].content['value']} {ctx.request_state}"


@mcp.resource("note://one")
def note() -> str:
    return "one"
`;

  test("is a handshake server to the SDK 2 in its older mode, questions included.", async () => {
    await using running = await Running.start("newer", {
      source: newer,
      requirements: ["mcp>=2,<3", "uvicorn"],
    });
    await using world = await TestGateway.start();
    const url = running.publish(world, "newer", ["stateless"]);
    const client = await clientOf(url, world.key({ roles: { newer: "user" } }).key, "legacy");
    expect(client.getServerVersion()).toMatchObject({ name: "newer" });
    expect(client.getInstructions()).toBe("Be kind.");
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["returns"]);
    expect(await textOf(client.callTool({ name: "returns", arguments: {} }))).toBe("Ada 1 asked");
    expect((await client.readResource({ uri: "note://one" })).contents[0]).toMatchObject({ text: "one" });
    await expect(client.readResource({ uri: "note://none" })).rejects.toThrow("note://none");
    await client.close();
  });
});
