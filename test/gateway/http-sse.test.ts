import { execFile } from "node:child_process";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { TestGateway } from "./harness.ts";
import { HostedServer } from "./hosted.ts";
import { get, Reading } from "./reading.ts";
import { event, keep, post, responseOf, scene, text } from "./scene.ts";
import { json, wellBehaved } from "./scripted.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 });

const source = `
from dataclasses import dataclass
from fastmcp import FastMCP, Context
mcp = FastMCP("fixture")
@dataclass
class Who:
    name: str
@mcp.tool
async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", response_type=Who)
    return f"Hello, {answer.data.name}"
@mcp.tool
def echo(text: str) -> str:
    return text
@mcp.tool
def big() -> str:
    return "x" * 1000000
@mcp.tool
def fail() -> str:
    raise ValueError("it failed")
@mcp.tool
async def count(to: int, ctx: Context) -> str:
    for i in range(to):
        await ctx.report_progress(i + 1, to)
    return f"counted to {to}"
`;

const sse = (url: string) => url.replace(/\/mcp$/, "/sse");

type Called = { content: { text: string }[]; isError?: boolean };

/** The official SDK's client of the old transport. */
async function connect(url: string, key: string) {
  const headers = { Authorization: `Bearer ${key}` };
  const client = new Client({ name: "old", version: "1" }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name: "Ada" } }));
  const transport = new SSEClientTransport(new URL(sse(url)), { requestInit: { headers } });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  // The SDK forgets whom to tell of progress once the response is there, however soon that follows.
  const told: unknown[] = [];
  const listener = transport.onmessage!;
  transport.onmessage = (message) => {
    if ("method" in message && message.method === "notifications/progress") told.push(message.params);
    listener(message);
  };
  return { client, told };
}

describe.each([
  ["FastMCP 3", "fastmcp>=3,<4"],
  ["the SDK's FastMCP 1", "fastmcp>=2,<3"],
])("A server on %s behind HTTP+SSE", (_, requirement) => {
  let world: TestGateway;
  let hosted: HostedServer;
  beforeAll(async () => {
    world = await TestGateway.start();
    hosted = await HostedServer.start(world, [requirement], source);
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await hosted?.[Symbol.asyncDispose]();
  });
  const key = () => world.key({ roles: { f: "user" } }).key;

  test("serves the SDK's client: lists, calls, progress, elicitation, errors, unicode and a megabyte. [R:handshake-client.http-sse]", async () => {
    const { client, told } = await connect(hosted.url, key());
    const call = async (name: string, args = {}) =>
      (await client.callTool({ name, arguments: args }, undefined, { onprogress: () => {} })) as Called;
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual(["ask", "big", "count", "echo", "fail"]);
    const words = 'ünï ☃ 😀 \u2028 "\\ 日本語';
    expect((await call("echo", { text: words })).content[0]!.text).toBe(words);
    expect((await call("count", { to: 3 })).content[0]!.text).toBe("counted to 3");
    expect(told).toMatchObject([1, 2, 3].map((progress) => ({ progress, total: 3 })));
    expect((await call("ask")).content[0]!.text).toBe("Hello, Ada");
    expect(await call("fail")).toMatchObject({ isError: true });
    expect((await call("big")).content[0]!.text).toBe("x".repeat(1_000_000));
    await client.close();
    const record = await world.record((r) => r.capability_name === "count" && r.transport === "sse");
    expect(record).toMatchObject({
      era: "handshake",
      method: "tools/call",
      decision: "allow",
      outcome: "complete",
      session: expect.stringMatching(/^ses_/),
    });
    expect(await world.record((r) => r.http_method === "GET")).toMatchObject({ transport: "sse" });
  });

  test("serves the Python SDK's client. [R:handshake-client.http-sse]", async () => {
    const { stdout } = await promisify(execFile)(hosted.python, [
      join(import.meta.dirname, "sse_client.py"),
      sse(hosted.url),
      key(),
    ]);
    expect(JSON.parse(stdout)).toEqual({
      tools: ["ask", "big", "count", "echo", "fail"],
      echo: "ünï ☃ 😀",
      count: "counted to 3",
      told: [1, 2, 3],
      ask: "Hello, Ada",
      fail: expect.stringContaining("it failed"),
      big: 1_000_000,
    });
  });
});

/** Opens a stream; answers it and the address to post to. */
async function line(url: string, key: string) {
  const reading = keep(await Reading.of(get(sse(url), key)));
  expect(reading.status).toBe(200);
  const endpoint = (await reading.next())!;
  expect(endpoint.event).toBe("endpoint");
  return { reading, posts: new URL(endpoint.data!, url).href };
}

const said = (body: unknown) => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});
const initialize = said({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2024-11-05", capabilities: {}, clientInfo: { name: "old", version: "1" } },
});
const toolCall = said({ jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "t" } });

async function status(url: string, key: string, given: { headers: Record<string, string>; body: string }) {
  const response = await responseOf(post(url, key, given));
  return { status: response.statusCode, text: await text(response) };
}

test("The stream tells where to post, and every answer comes on it. [R:handshake-client.http-sse-endpoint]", async () => {
  const { url, key, upstream } = await scene(wellBehaved);
  const { reading, posts } = await line(url, key);
  expect(new URL(posts).pathname).toBe("/acme/s/messages");
  expect(await status(posts, key, initialize)).toEqual({ status: 202, text: "" });
  const opened = JSON.parse((await reading.next())!.data!);
  expect(opened).toMatchObject({ id: 0, result: { protocolVersion: "2024-11-05" } });
  expect(
    await status(posts, key, said({ jsonrpc: "2.0", method: "notifications/initialized" })),
  ).toMatchObject({
    status: 202,
  });
  expect((await status(posts, key, toolCall)).status).toBe(202);
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({ id: 7, result: {} });
  const called = upstream.received.find(({ message }) => message.method === "tools/call")!;
  expect(called.req.headers["mcp-protocol-version"]).toBe("2024-11-05");
});

test("The end of the stream is the end of its session, upstream too. [R:handshake-client.http-sse-end]", async () => {
  const ended = Promise.withResolvers<void>();
  const { url, key, world } = await scene((received) => {
    if (received.req.method !== "DELETE") return wellBehaved(received);
    received.res.writeHead(204).end();
    ended.resolve();
  });
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  await reading.next();
  const { session } = await world.record((r) => r.method === "initialize");
  reading.req.destroy();
  await ended.promise;
  await world.record((r) => r.http_method === "GET");
  expect(world.published.get(session!)).toMatchObject({ ended: true });
  expect((await status(posts, key, toolCall)).status).toBe(404);
});

test("What a client may not do is told on the stream under its id, or at once where it has none. [R:handshake-client.http-sse-refused]", async () => {
  const { url, key, world } = await scene(wellBehaved);
  const { reading, posts } = await line(url, key);
  // Before `initialize` there is no session.
  expect((await status(posts, key, toolCall)).status).toBe(202);
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({
    id: 7,
    error: { data: { boundary: "session" } },
  });
  expect((await status(posts, key, { ...toolCall, body: "{" })).status).toBe(400);
  expect((await status(posts, key, { ...toolCall, body: "[]" })).status).toBe(400);
  const { key: viewer } = world.key({ roles: { s: "viewer" } });
  const other = await line(url, viewer);
  await status(other.posts, viewer, initialize);
  await other.reading.next();
  expect((await status(other.posts, viewer, toolCall)).status).toBe(202);
  expect(JSON.parse((await other.reading.next())!.data!)).toMatchObject({
    id: 7,
    error: { data: { boundary: "authorization" } },
  });
  const response = JSON.stringify({ jsonrpc: "2.0", id: "ask-1", result: {} });
  expect((await status(other.posts, viewer, { ...toolCall, body: response })).status).toBe(403);
  expect(await world.record((r) => r.decision === "deny" && r.method !== null)).toMatchObject({
    method: "tools/call",
    boundary: "authorization",
    transport: "sse",
  });
});

test("What a server answers in words of its own is an error on the stream, under the id of the request. [R:handshake-client.http-sse-words]", async () => {
  const { url, key } = await scene((received) => {
    if (received.message.method !== "tools/call") return wellBehaved(received);
    const words = "Internal Server Failure";
    received.res.writeHead(500, { "content-type": "application/json", "content-length": words.length });
    received.res.end(words);
  });
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  await reading.next();
  expect((await status(posts, key, toolCall)).status).toBe(202);
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({
    id: 7,
    error: { message: expect.stringContaining("HTTP 500 and no JSON-RPC response") },
  });
});

test("Nobody else posts to a stream, and both of its addresses need a key. [R:handshake-client.http-sse-bound]", async () => {
  const { url, key, world } = await scene(wellBehaved);
  world.publish("other", { address: "unix:/none" });
  const { posts } = await line(url, key);
  const { key: stranger } = world.key({ roles: { s: "user", other: "user" } });
  const unknown = posts.replace(/\.[0-9a-z]+$/, `.${"0".repeat(26)}`);
  const told = async (at: string, by: string) => {
    const answer = await status(at, by, initialize);
    return { ...answer, text: answer.text.replace(/req_[0-9a-z]+/, "req") };
  };
  const foreign = await told(posts, stranger);
  expect(foreign.status).toBe(404);
  expect(foreign).toEqual(await told(unknown, stranger));
  expect((await told(posts.replace("/s/", "/other/"), stranger)).status).toBe(404);
  expect((await told(posts, "off_unknown")).status).toBe(401);
  expect((await responseOf(get(sse(url), "off_unknown"))).statusCode).toBe(401);
});

test.each([
  ["POST", "/sse", 405],
  ["GET", "/messages", 405],
])("%s of %s is not served.", async (method, path, expected) => {
  const { url, key } = await scene(wellBehaved);
  const response = await fetch(url.replace(/\/mcp$/, path), {
    method,
    headers: { authorization: `Bearer ${key}`, accept: "text/event-stream" },
  });
  expect(response.status).toBe(expected);
  await response.arrayBuffer();
});

test("An end of the gateway ends the stream cleanly, so that its client connects anew. [R:handshake-client.http-sse-end]", async () => {
  const { url, key, world } = await scene(wellBehaved);
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  await reading.next();
  const over = once(reading.response, "end");
  await world.gateway.close();
  await over;
  expect(reading.response.complete).toBe(true);
});

test.each([
  ["JSON", (res: ServerResponse, text: string) => json(res, JSON.parse(text))],
  [
    "an event",
    (res: ServerResponse, text: string) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end(`data: ${text}\n\n`);
    },
  ],
])(
  "An answer that is too large for the stream, as %s, is an error for its request alone. [R:handshake-client.http-sse-bounded]",
  async (_, send) => {
    const large = JSON.stringify({ jsonrpc: "2.0", id: 7, result: { text: "x".repeat(300_000) } });
    const { url, key } = await scene(
      (received) => {
        if (received.message.method === "tools/call") send(received.res, large);
        else wellBehaved(received);
      },
      { limits: { messageBytes: 100_000 } },
    );
    const { reading, posts } = await line(url, key);
    await status(posts, key, initialize);
    await reading.next();
    await status(posts, key, toolCall);
    expect(JSON.parse((await reading.next())!.data!)).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining("100000 bytes") },
    });
    await status(posts, key, said({ jsonrpc: "2.0", id: 8, method: "ping" }));
    expect(JSON.parse((await reading.next())!.data!)).toMatchObject({ id: 8, result: {} });
  },
);

test("What a server says without being asked comes on the stream too. [R:handshake-client.http-sse-standing]", async () => {
  const log = {
    jsonrpc: "2.0",
    method: "notifications/message",
    params: { level: "error", data: "unasked" },
  };
  const { url, key } = await scene((received) => {
    const { req, res } = received;
    if (req.method !== "GET") return wellBehaved(received);
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(event(log));
  });
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({ id: 0 });
  expect(JSON.parse((await reading.next())!.data!)).toEqual(log);
});

test("A stream ends when its key is revoked. [R:handshake-client.http-sse-bound]", async () => {
  const { url, key, world } = await scene(wellBehaved);
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  await reading.next();
  world.revoke(key);
  await reading.over();
  expect(reading.response.complete).toBe(true);
});

test("A stream whose session is over before its server may speak first ends. [R:handshake-client.http-sse-unheard]", async () => {
  const { url, key, world } = await scene((received) => {
    vi.spyOn(world.published, "get").mockReturnValue({ ended: true });
    wellBehaved(received);
  });
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  await reading.next();
  await reading.over();
  expect(reading.response.complete).toBe(true);
});

test("What an upstream asks while it answers comes on the stream, and its answer reaches the upstream.", async () => {
  const answered = Promise.withResolvers<unknown>();
  const { url, key } = await scene((received) => {
    const { res, message } = received;
    if (message.method === "tools/call") {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(event({ jsonrpc: "2.0", id: "e1", method: "elicitation/create", params: {} }));
      void answered.promise.then(() => res.end(event({ jsonrpc: "2.0", id: 7, result: {} })));
    } else if (message.id === "e1") {
      res.writeHead(202).end();
      answered.resolve(message);
    } else wellBehaved(received);
  });
  const { reading, posts } = await line(url, key);
  await status(posts, key, initialize);
  await reading.next();
  await status(posts, key, toolCall);
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({ id: "e1", method: "elicitation/create" });
  const answer = { jsonrpc: "2.0", id: "e1", result: { action: "decline" } };
  expect((await status(posts, key, said(answer))).status).toBe(202);
  expect(await answered.promise).toEqual(answer);
  expect(JSON.parse((await reading.next())!.data!)).toMatchObject({ id: 7, result: {} });
});
