import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { callText, mcpClient } from "../deploy.ts";
import { SseServer } from "../gateway/sse-server.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { ScriptedSse } from "../upstream/sse-scripted.ts";
import { openWorld, type World } from "../world.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 });

let world: World;
const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(resource: T): T => {
  open.push(resource);
  return resource;
};
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

const register = (url: string, server: string) =>
  world.owner.client.call("registerServer", { organization: "default" }, { url, server, allowPrivate: true });
const upstream = (server: string) =>
  world.system.services.snapshot.endpoint(`default/${server}@live`)?.upstream;

/** Answers with what a Streamable HTTP server answers. */
const passTo = (server: SdkServer) => (req: IncomingMessage, res: ServerResponse) => {
  const { method, headers } = req;
  const passed = request({ port: server.port, path: "/mcp", method, headers }, (answer) => {
    res.writeHead(answer.statusCode!, answer.headers);
    answer.pipe(res);
  });
  req.pipe(passed);
  return true;
};

describe("registering a server that speaks only HTTP+SSE", () => {
  it("is done by its URL alone, and clients of every revision call it through the gate [R:upstream.sse-register]", async () => {
    const server = keep(await SseServer.start());
    const registered = await register(server.url, "older");
    expect(registered).toMatchObject({ server: "default/older" });
    for (const mode of ["legacy", { pin: "2026-07-28" }] as const) {
      const client = await mcpClient(world, "default/older", world.owner.key, mode);
      expect(await callText(client, "add", { a: 1, b: 2 })).toBe("3");
      await client.close();
    }
    const headers = { authorization: `Bearer ${world.owner.key}` };
    const oldest = new Client({ name: "oldest", version: "1" });
    const transport = new SSEClientTransport(new URL(`${world.url}/default/older/sse`), {
      requestInit: { headers },
    });
    await oldest.connect(transport as never);
    expect(await oldest.callTool({ name: "add", arguments: { a: 2, b: 2 } })).toMatchObject({
      content: [{ text: "4" }],
    });
    await oldest.close();
  });

  it("is refused in words where it sends messages to another origin, and nothing is stored [R:upstream.sse-origin-words]", async () => {
    const server = keep(await ScriptedSse.start());
    server.endpoint = "https://elsewhere.example/messages";
    await expect(register(server.url, "astray")).rejects.toMatchObject({
      code: "precondition",
      message: expect.stringContaining("sends messages to another origin (https://elsewhere.example)"),
    });
    expect(server.posted).toEqual([]);
    expect(upstream("astray")).toBeUndefined();
  });

  it("is a verdict like the others: a server that speaks another transport since is found to, and served [R:upstream.sse-verdict]", async () => {
    const server = keep(await ScriptedSse.start());
    const successor = keep(await SdkServer.start());
    await register(server.url, "moving");
    expect(upstream("moving")).toMatchObject({ transport: "sse" });
    const before = await mcpClient(world, "default/moving", world.owner.key, "legacy");
    // Its owner puts a server of Streamable HTTP in its place, under the same address.
    server.instead = passTo(successor);
    for (const stream of server.streams) stream.end();
    await server.until(() => server.streams.size === 0);
    await expect(before.listTools()).rejects.toThrow("No session could be opened");
    await expect.poll(() => upstream("moving"), { timeout: 10_000 }).not.toHaveProperty("transport");
    const after = await mcpClient(world, "default/moving", world.owner.key, "legacy");
    expect(await callText(after, "echo", { text: "x" })).toBe("x");
    for (const client of [before, after]) await client.close();
  });

  it("is found also of a server that spoke Streamable HTTP before, once it takes no POST any more [R:upstream.sse-doubted]", async () => {
    const server = keep(await ScriptedSse.start());
    server.instead = passTo(keep(await SdkServer.start()));
    await register(server.url, "back");
    expect(upstream("back")).not.toHaveProperty("transport");
    server.instead = undefined;
    await expect(mcpClient(world, "default/back", world.owner.key, "legacy")).rejects.toThrow("405");
    await expect.poll(() => upstream("back"), { timeout: 10_000 }).toMatchObject({ transport: "sse" });
    const client = await mcpClient(world, "default/back", world.owner.key, "legacy");
    expect((await client.listTools()).tools).toEqual([]);
    await client.close();
  });
});
