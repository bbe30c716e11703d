import { once } from "node:events";
import { expect, test, vi } from "vitest";
import type { Message } from "./asking.ts";
import { TestGateway } from "./harness.ts";
import { HostedServer } from "./hosted.ts";
import { RawStream, standing } from "./raw-stream.ts";
import { get, Reading } from "./reading.ts";
import { deferred, event, handshakeCall, keep, post, responseOf, result, scene, text } from "./scene.ts";
import { openSession, type Received, statelessCall, wellBehaved } from "./scripted.ts";
import { begin, call, elicit, progress, streaming } from "./streaming.ts";

vi.setConfig({ testTimeout: 15_000 });

type World = Pick<Awaited<ReturnType<typeof holding>>, "world" | "key" | "principal">;

/** How a right ends, and how the call that came with it is then refused. */
const ends = [
  [
    "its key is revoked",
    ({ world, key }: World) => world.revoke(key),
    { boundary: "authentication", status: 401, words: "The key of this call was revoked" },
  ],
  [
    "its caller may not call any more",
    ({ world, principal }: World) => world.grant(principal, "s", "viewer"),
    { boundary: "authorization", status: 403, words: "You may no longer call this server" },
  ],
  [
    "its endpoint ends",
    ({ world }: World) => world.unpublish("s"),
    { boundary: "routing", status: 404, words: "There is no such endpoint" },
  ],
] as const;

/** A server whose calls begin with progress, or with nothing, and never end by themselves. */
async function holding(eras: readonly ("handshake" | "stateless")[] = ["handshake"], silent = false) {
  const arrived = Promise.withResolvers<Received>();
  const closed = deferred();
  const cancelled = Promise.withResolvers<Received>();
  const made = await scene((received) => {
    const { message, res, req } = received;
    if (message.method === "notifications/cancelled") cancelled.resolve(received);
    if (message.method !== "tools/call" || req.method !== "POST") return wellBehaved(received);
    res.on("close", closed.resolve);
    if (!silent) begin(received, progress(1));
    arrived.resolve(received);
  });
  const { world, upstream } = made;
  const url = world.publish("s", { address: upstream.address, eras });
  const { key, principal } = world.key({ roles: { s: "user" } });
  return { ...made, url, key, principal, arrived: arrived.promise, closed: closed.promise, cancelled };
}

const last = (events: string): Message => JSON.parse(events.trim().split("data: ").at(-1)!);

test.each(ends)(
  "A stateless client's call that lasts ends with the stream to its server when %s. [R:guards.call-ends]",
  async (_, end, { boundary, words }) => {
    const made = await holding(["stateless"]);
    const response = await responseOf(post(made.url, made.key, statelessCall("tools/call", { name: "t" })));
    await made.arrived;
    end(made);
    expect(last(await text(response))).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining(words), data: { boundary } },
    });
    await made.closed;
    expect(await made.world.record((r) => r.method === "tools/call")).toMatchObject({
      boundary,
      is_error: true,
    });
  },
);

test.each(ends)(
  "A handshake client's call that lasts ends when %s, and its server is told that it is cancelled. [R:guards.call-ends-told]",
  async (_, end, { boundary, words }) => {
    const made = await holding();
    const session = await openSession(made.url, made.key);
    const reading = await Reading.of(post(made.url, made.key, call(session)));
    const arrived = await made.arrived;
    end(made);
    const events = await reading.rest();
    expect(JSON.parse(events.at(-1)!.data!)).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining(words), data: { boundary } },
    });
    const told = await made.cancelled.promise;
    expect(told.message.params).toMatchObject({ requestId: 7 });
    expect(told.req.headers["mcp-session-id"]).toBe(arrived.req.headers["mcp-session-id"]);
    await made.closed;
    expect(await made.world.record((r) => r.method === "tools/call")).toMatchObject({
      boundary,
      is_error: true,
    });
  },
);

test.each(ends)(
  "A call that nothing was answered to is refused with its own status when %s.",
  async (_, end, { boundary, status }) => {
    const made = await holding(["handshake"], true);
    const response = responseOf(post(made.url, made.key, statelessCall("tools/call", { name: "t" })));
    await made.arrived;
    end(made);
    expect((await response).statusCode).toBe(status);
    if (status === 401) expect((await response).headers["www-authenticate"]).toContain("invalid_token");
    expect(JSON.parse(await text(await response))).toMatchObject({ id: 7, error: { data: { boundary } } });
    await made.closed;
  },
);

test("A call whose client left goes on at its server, and ends there when the key is revoked. [R:guards.call-ends-left]", async () => {
  const made = await holding();
  const session = await openSession(made.url, made.key);
  const { req } = await Reading.of(post(made.url, made.key, call(session)));
  await made.arrived;
  req.destroy();
  await once(req, "close");
  made.world.revoke(made.key);
  expect((await made.cancelled.promise).message.params).toMatchObject({ requestId: 7 });
  await made.closed;
  expect(await made.world.record((r) => r.method === "tools/call")).toMatchObject({
    boundary: "authentication",
    is_error: true,
  });
});

test("A call over HTTP+SSE ends at its server when the key is revoked. [R:guards.call-ends-left]", async () => {
  const made = await holding();
  const line = await Reading.of(get(made.url.replace(/mcp$/, "sse"), made.key));
  const posts = new URL((await line.next())!.data!, made.url).href;
  const say = async (message: Message) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    return (await responseOf(post(posts, made.key, { headers, body }))).statusCode;
  };
  const clientInfo = { name: "old", version: "1" };
  const params = { protocolVersion: "2024-11-05", capabilities: {}, clientInfo };
  expect(await say({ id: 0, method: "initialize", params })).toBe(202);
  await line.next();
  expect(await say({ id: 7, method: "tools/call", params: { name: "t", arguments: {} } })).toBe(202);
  await made.arrived;
  made.world.revoke(made.key);
  await line.over();
  expect((await made.cancelled.promise).message.params).toMatchObject({ requestId: 7 });
  await made.closed;
});

test("A tool on a real server is cancelled when the key of its call is revoked. [R:guards.call-ends-told]", async () => {
  const world = keep(await TestGateway.start());
  const source = `
import asyncio
from fastmcp import FastMCP
mcp = FastMCP("fixture")
began, cancelled = asyncio.Event(), asyncio.Event()
@mcp.tool
async def hold() -> str:
    began.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.set()
        raise
@mcp.tool
async def wait(what: str) -> str:
    await (began if what == "began" else cancelled).wait()
    return what
`;
  const { url } = keep(await HostedServer.start(world, ["fastmcp>=3,<4"], source));
  const [caller, other] = [world.key({ roles: { f: "user" } }), world.key({ roles: { f: "user" } })];
  const session = await openSession(url, other.key);
  const waited = async (what: string) =>
    text(await responseOf(post(url, other.key, handshakeCall(session, "wait", { what }))));
  const held = post(url, caller.key, handshakeCall(await openSession(url, caller.key), "hold"));
  const answer = responseOf(held);
  expect(await waited("began")).toContain("began");
  world.revoke(caller.key);
  expect(await waited("cancelled")).toContain('"cancelled"');
  expect(await text(await answer)).toContain("was revoked");
}, 60_000);

test("A call that lasts goes on as long as its caller may make it.", async () => {
  const release = deferred();
  const { url, key, world, session } = await streaming(async (received) => {
    begin(received, progress(1));
    await release.promise;
    received.res.end(event(result));
  });
  const reading = await Reading.of(post(url, key, call(session)));
  const other = world.key({ roles: { s: "user" } });
  const theirs = await Reading.of(post(url, other.key, call(await openSession(url, other.key))));
  world.revoke(other.key);
  expect((await theirs.rest()).at(-1)!.data).toContain("was revoked");
  release.resolve();
  expect(JSON.parse((await reading.rest()).at(-1)!.data!)).toEqual(result);
});

/** A call and a list whose streams were left with their response still to be read. */
async function left() {
  const made = await scene((received) => {
    if (!["tools/call", "tools/list"].includes(received.message.method!)) return wellBehaved(received);
    begin(received, elicit, { ...result, result: { secret: true } });
    received.res.end();
  });
  const { key, principal } = made.world.key({ roles: { s: "user" } });
  const session = await openSession(made.url, key);
  const given = call(session);
  const first = async (body: string) =>
    (await (await Reading.of(post(made.url, key, { ...given, body }))).rest())[0]!.id!;
  const called = await first(given.body);
  const listed = await first(JSON.stringify({ jsonrpc: "2.0", id: 8, method: "tools/list", params: {} }));
  const resume = async (id: string) =>
    Reading.of(get(made.url, key, { "mcp-session-id": session, "last-event-id": id }));
  return { ...made, key, principal, called, listed, resume };
}

test("A client that comes back to its call and may not call any more gets nothing of it but an error. [R:handshake-client.resume-right]", async () => {
  const { world, principal, called, listed, resume } = await left();
  world.grant(principal, "s", "viewer");
  const again = await (await resume(called)).rest();
  expect(again).toHaveLength(1);
  expect(JSON.parse(again[0]!.data!)).toMatchObject({
    id: 7,
    error: { data: { boundary: "authorization" } },
  });
  expect(await world.record((r) => r.http_method === "GET")).toMatchObject({
    boundary: "authorization",
    decision: "deny",
    http_status: 200,
  });
  // Who has read that has all that there is for them.
  expect((await resume(again[0]!.id!)).status).toBe(204);
  // Lists are for whoever may see the server.
  expect((await (await resume(listed)).rest()).at(-1)!.data).toContain("secret");
  world.grant(principal, "s", "user");
  expect((await (await resume(called)).rest()).at(-1)!.data).toContain("secret");
});

test("A connection that carries the rest of a call ends when the key that it came with is revoked; the call goes on. [R:handshake-client.resumed-ends]", async () => {
  const release = deferred();
  const made = await streaming(async (received) => {
    begin(received, progress(1));
    await release.promise;
    received.res.end(event(result));
  });
  const { world, url } = made;
  const { key, principal } = world.key({ roles: { s: "user" } });
  const session = await openSession(url, key);
  const first = await Reading.of(post(url, key, call(session)));
  const id = (await first.next())!.id!;
  const other = world.another(principal);
  const resume = async (by: string) =>
    Reading.of(get(url, by, { "mcp-session-id": session, "last-event-id": id }));
  const again = await resume(other);
  world.revoke(other);
  expect(JSON.parse((await again.rest()).at(-1)!.data!)).toMatchObject({
    id: 7,
    error: { data: { boundary: "authentication" } },
  });
  expect((await resume(other)).status).toBe(401);
  release.resolve();
  await world.record((r) => r.method === "tools/call");
  expect(JSON.parse((await (await resume(key)).rest()).at(-1)!.data!)).toEqual(result);
});

test("A client that comes back to its standing stream and may not call any more is told of lists alone. [R:handshake-client.resume-right]", async () => {
  const speaks = Promise.withResolvers<Received>();
  const { url, world } = await scene((received) => {
    if (received.req.method !== "GET") return wellBehaved(received);
    received.res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    speaks.resolve(received);
  });
  const { key, principal } = world.key({ roles: { s: "user" } });
  const session = await openSession(url, key);
  const given = standing(session);
  const stream = await RawStream.open(url, key, given);
  const { res } = await speaks.promise;
  const log = { jsonrpc: "2.0", method: "notifications/message", params: { level: "error", data: "secret" } };
  const grown = { jsonrpc: "2.0", method: "notifications/tools/list_changed" };
  res.write(event(log) + event(grown) + event(log));
  await stream.first(3);
  const { id } = /^id: (?<id>.+)$/m.exec(stream.text)!.groups as { id: string };
  await stream[Symbol.asyncDispose]();
  world.grant(principal, "s", "viewer");
  const headers = { ...given.headers, "last-event-id": id };
  await using again = await RawStream.open(url, key, { ...given, headers });
  expect(await again.first(1)).toEqual([grown]);
  await world.gateway.close();
  await again.until(({ ended }) => ended);
  expect(again.text).not.toContain("secret");
});
