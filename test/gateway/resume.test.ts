import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, test, vi } from "vitest";
import type { GatewayLimits } from "../../src/gateway/limits.ts";
import { frameworks, PythonServer, temporaryFolder, TestGateway } from "./harness.ts";
import { get, Reading, reads } from "./reading.ts";
import { deferred, event, handshakeCall, keep, post, responseOf, result, scene, text } from "./scene.ts";
import { json, openSession, type Received, wellBehaved } from "./scripted.ts";

vi.setConfig({ testTimeout: 30_000 });

const progress = (at: number) => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: 1, progress: at },
});
const elicit = { jsonrpc: "2.0", id: "e1", method: "elicitation/create", params: { message: "?" } };

/** A call of a client that reads both forms of answers. */
function call(session: string, name = "t") {
  const given = handshakeCall(session, name);
  return { ...given, headers: { ...given.headers, ...reads } };
}

/** Opens a session of an older revision. */
async function olderSession(url: string, key: string, revision: string): Promise<string> {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: "old", version: "1" } };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  const response = await responseOf(
    post(url, key, { headers: { "content-type": "application/json" }, body }),
  );
  await text(response);
  return String(response.headers["mcp-session-id"]);
}

/** A scene whose tool calls are answered by `serve`, step by step. */
async function streaming(
  serve: (received: Received) => void | Promise<void>,
  limits: Partial<GatewayLimits> = {},
) {
  const made = await scene(
    async (received) => {
      if (received.message.method === "tools/call") await serve(received);
      else wellBehaved(received);
    },
    { limits },
  );
  return { ...made, session: await openSession(made.url, made.key) };
}

/** Begins to answer with an event stream. */
function begin({ res }: Received, ...messages: unknown[]): void {
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.write(messages.map(event).join(""));
}

test.each([
  ["JSON", (received: Received) => json(received.res, result), "application/json"],
  [
    "an event",
    (received: Received) => void (begin(received, result), received.res.end()),
    "text/event-stream",
  ],
])(
  "A response alone passes as it came, as %s without an id. [R:handshake-client.prompt-answer]",
  async (_, serve, type) => {
    const { url, key, session } = await streaming(serve);
    const response = await responseOf(post(url, key, call(session)));
    expect(response.headers["content-type"]).toBe(type);
    expect(await text(response)).toBe(type === "application/json" ? JSON.stringify(result) : event(result));
  },
);

test("An answer in which something precedes the response is a primed stream, whose events have ids of that stream. [R:handshake-client.event-ids] [R:handshake-client.priming]", async () => {
  const { url, key, session, world } = await streaming((received) => {
    begin(received, progress(1), elicit, result);
    received.res.end();
  });
  const reading = await Reading.of(post(url, key, call(session)));
  const [primed, ...events] = await reading.rest();
  expect(primed).toMatchObject({ data: "", retry: "1000" });
  expect(events.map(({ data }) => JSON.parse(data!))).toEqual([progress(1), elicit, result]);
  const ids = [primed!, ...events].map(({ id }) => id!);
  expect(new Set(ids).size).toBe(4);
  const parts = ids.map((id) => /^([\w-]+)\.([\w-]+)\.(\d+|end)$/.exec(id)!);
  expect(new Set(parts.map(([, holder, stream]) => `${holder}.${stream}`)).size).toBe(1);
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({
    outcome: "complete",
    http_status: 200,
    stream_events: 3,
  });
});

test.each(["2025-06-18", "2025-03-26"])(
  "A client of revision %s gets ids, but no priming event, which it may not understand.",
  async (revision) => {
    const { url, key } = await streaming((received) => {
      begin(received, progress(1), result);
      received.res.end();
    });
    const session = await olderSession(url, key, revision);
    const given = call(session);
    given.headers["mcp-protocol-version"] = revision;
    const events = await (await Reading.of(post(url, key, given))).rest();
    expect(events.map(({ data }) => JSON.parse(data!))).toEqual([progress(1), result]);
    for (const { id } of events) expect(id).toBeTruthy();
  },
);

test("An answer that takes long becomes a primed stream, and its JSON the last event. [R:handshake-client.slow-answer]", async () => {
  const release = deferred();
  const { url, key, session } = await streaming(async ({ res }) => {
    await release.promise;
    json(res, result);
  });
  const reading = await Reading.of(post(url, key, call(session)));
  expect(reading.response.headers["content-type"]).toBe("text/event-stream");
  expect(await reading.next()).toMatchObject({ data: "", retry: "1000" });
  release.resolve();
  expect((await reading.rest()).map(({ data }) => JSON.parse(data!))).toEqual([result]);
});

test("An answer that takes long stays JSON for a client that does not read event streams.", async () => {
  const arrived = deferred();
  const release = deferred();
  const { url, key, session } = await streaming(async ({ res, message }) => {
    if (message.params!["name"] === "plain") arrived.resolve();
    await release.promise;
    json(res, result);
  });
  const plain = responseOf(post(url, key, handshakeCall(session, "plain")));
  await arrived.promise;
  // The priming of a later call tells that the time has come for the earlier one too.
  const later = await Reading.of(post(url, key, call(session, "streamed")));
  expect((await later.next())!.data).toBe("");
  release.resolve();
  const response = await plain;
  expect(response.headers["content-type"]).toBe("application/json");
  expect(await text(response)).toBe(JSON.stringify(result));
});

test("A client that lost its connection comes back to the same stream, and gets all that it missed and what is still to come. [R:handshake-client.resume] [R:handshake-client.disconnect-keeps]", async () => {
  const missed = deferred();
  const release = deferred();
  let aborted = false;
  const { url, key, session, world } = await streaming(async (received) => {
    received.res.on("close", () => (aborted ||= !received.res.writableFinished));
    begin(received, progress(1));
    await missed.promise;
    received.res.write(event(progress(2)) + event(elicit));
    await release.promise;
    received.res.end(event(progress(3)) + event(result));
  });
  const first = await Reading.of(post(url, key, call(session)));
  await first.next();
  const { id } = (await first.next())!;
  first.req.destroy();
  await once(first.req, "close");
  missed.resolve();
  const again = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": id! }));
  expect(again.status).toBe(200);
  expect(JSON.parse((await again.next())!.data!)).toEqual(progress(2));
  expect(JSON.parse((await again.next())!.data!)).toEqual(elicit);
  release.resolve();
  const rest = await again.rest();
  expect(rest.map(({ data }) => JSON.parse(data!))).toEqual([progress(3), result]);
  expect(aborted).toBe(false);
  expect((await world.record((r) => r.http_method === "POST" && r.method === "tools/call")).outcome).toBe(
    "client_gone",
  );
  expect(await world.record((r) => r.http_method === "GET")).toMatchObject({
    outcome: "complete",
    era: "handshake",
    transport: "streamable_http",
    http_status: 200,
    stream_events: 4,
    session: expect.stringMatching(/^ses_/),
  });
  // Whoever has the last event has all of them, and is told not to come again.
  const over = await Reading.of(
    get(url, key, { "mcp-session-id": session, "last-event-id": rest.at(-1)!.id! }),
  );
  expect(over.status).toBe(204);
});

test("Coming back within the same stream does not give an event twice, and never one of another stream. [R:handshake-client.own-stream]", async () => {
  const arrived = [deferred(), deferred()];
  const waiting: Received[] = [];
  const { url, key, session } = await streaming((received) => {
    waiting.push(received);
    begin(received, { ...progress(1), params: { of: received.message.params!["name"] } });
    arrived[waiting.length - 1]!.resolve();
  });
  const one = await Reading.of(post(url, key, call(session, "one")));
  await arrived[0]!.promise;
  const other = await Reading.of(post(url, key, call(session, "other")));
  await arrived[1]!.promise;
  await one.next();
  const { id } = (await one.next())!;
  await other.next();
  await other.next();
  for (const { req } of [one, other]) req.destroy();
  for (const { res, message } of waiting) {
    res.end(event({ ...result, result: { of: message.params!["name"] } }));
  }
  const again = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": id! }));
  const events = (await again.rest()).map(({ data }) => JSON.parse(data!));
  expect(events).toEqual([{ ...result, result: { of: "one" } }]);
});

test("An event of a session means nothing in another one, not even of the same principal. [R:handshake-client.resume-own-session]", async () => {
  const release = deferred();
  const { url, key, session } = await streaming(async (received) => {
    begin(received, progress(1));
    await release.promise;
    received.res.end(event({ ...result, result: { secret: true } }));
  });
  const first = await Reading.of(post(url, key, call(session)));
  const { id } = (await first.next())!;
  const other = await openSession(url, key);
  const stolen = await Reading.of(get(url, key, { "mcp-session-id": other, "last-event-id": id! }));
  const events = await stolen.rest();
  expect(events).toHaveLength(1);
  expect(JSON.parse(events[0]!.data!)).toMatchObject({ id: 7, error: { data: { boundary: "session" } } });
  release.resolve();
  expect((await first.rest()).at(-1)!.data).toContain("secret");
});

test("A stream that is no longer held ends its request with one clear error, and the session goes on. [R:handshake-client.resume-lost]", async () => {
  const { url, key, session, world } = await streaming((received) => {
    begin(received, progress(1), result);
    received.res.end();
  });
  const [first] = await (await Reading.of(post(url, key, call(session)))).rest();
  world.restart();
  const again = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": first!.id! }));
  expect(again.status).toBe(200);
  const [lost, ...rest] = await again.rest();
  expect(rest).toEqual([]);
  expect(JSON.parse(lost!.data!)).toMatchObject({
    id: 7,
    error: { code: -31410, message: expect.stringContaining("not held any more") },
  });
  expect(await world.record((r) => r.http_method === "GET")).toMatchObject({
    boundary: "session",
    http_status: 200,
    is_error: true,
  });
  // A client that asks once more from there is told that it has all.
  const over = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": lost!.id! }));
  expect(over.status).toBe(204);
  expect((await responseOf(post(url, key, call(session)))).statusCode).toBe(200);
});

test("An id that was never sent is refused.", async () => {
  const { url, key, session } = await streaming(() => {});
  const response = await responseOf(
    get(url, key, { "mcp-session-id": session, "last-event-id": "no such event" }),
  );
  expect(response.statusCode).toBe(400);
  expect(JSON.parse(await text(response)).error.message).toContain("Last-Event-ID");
});

test("What is held of a stream is bounded: of more events than fit, those that nobody waits for go first. [R:handshake-client.replay-bounded]", async () => {
  const release = deferred();
  const { url, key, session, world } = await streaming(async (received) => {
    begin(received, elicit);
    await release.promise;
    for (let i = 1; i <= 1000; i++) received.res.write(event(progress(i)));
    received.res.end(event(result));
  });
  const first = await Reading.of(post(url, key, call(session)));
  const { id } = (await first.next())!;
  first.req.destroy();
  await once(first.req, "close");
  release.resolve();
  await world.record((r) => r.method === "tools/call");
  const again = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": id! }));
  const messages = (await again.rest()).map(({ data }) => JSON.parse(data!));
  expect(messages[0]).toEqual(elicit);
  expect(messages.at(-1)).toEqual(result);
  expect(messages).toHaveLength(256);
  expect(messages.at(-2)).toEqual(progress(1000));
});

/** A call whose stream has ended, with the id of its first event. */
async function ended({ url, key, session }: Awaited<ReturnType<typeof streaming>>) {
  const [first] = await (await Reading.of(post(url, key, call(session)))).rest();
  const again = async () =>
    (await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": first!.id! }))).rest();
  return { again };
}

const large = (received: Received) => {
  begin(received, progress(1), { ...result, result: { text: "x".repeat(2000) } });
  received.res.end();
};

test("A stream is held for a while after its end, and then no more. [R:handshake-client.replay-bounded]", async () => {
  const made = await streaming(large, { replayMs: 100 });
  const kept = await ended(made);
  expect((await kept.again()).at(-1)!.data).toContain("xxx");
  const late = await ended(made);
  await vi.waitFor(() => expect(made.world.gateway.sizes.held).toBe(0), 5_000);
  expect((await late.again()).at(-1)!.data).toContain("not held any more");
});

test("Where all streams together hold too much, the one that ended first goes first. [R:handshake-client.replay-bounded]", async () => {
  const made = await streaming(large, { replayTotalBytes: 5_000 });
  const [first, second, third] = [await ended(made), await ended(made), await ended(made)];
  expect((await first!.again()).at(-1)!.data).toContain("not held any more");
  for (const { again } of [second!, third!]) expect((await again()).at(-1)!.data).toContain("xxx");
});

test("A client that comes back and does not read is cut off, and the call goes on without it. [R:handshake-client.slow-reader]", async () => {
  const release = deferred();
  const told = { ...progress(2), params: { message: "x".repeat(50_000) } };
  const { url, key, session, world } = await streaming(
    async (received) => {
      begin(received, progress(1));
      await release.promise;
      for (let i = 0; i < 200; i++) {
        if (!received.res.write(event(told))) await once(received.res, "drain");
      }
      received.res.end(event(result));
    },
    { messageBytes: 100_000 },
  );
  const first = await Reading.of(post(url, key, call(session)));
  const { id } = (await first.next())!;
  first.req.destroy();
  // A unix socket's buffers are small: a client that does not read is felt at once.
  const socketPath = join(temporaryFolder(), "g");
  const door = createServer((req, res) => world.gateway.handle(req, res)).listen(socketPath);
  await once(door, "listening");
  const req = request({
    socketPath,
    path: new URL(url).pathname,
    headers: {
      accept: "text/event-stream",
      authorization: `Bearer ${key}`,
      "mcp-session-id": session,
      "last-event-id": id!,
    },
  });
  req.on("error", () => {});
  req.end();
  // A listener that reads nothing: without one, Node's client would drain the answer.
  const [response] = (await once(req, "response")) as [IncomingMessage];
  response.on("error", () => {});
  release.resolve();
  expect((await world.record((r) => r.http_method === "GET")).outcome).toBe("client_gone");
  await world.record((r) => r.method === "tools/call");
  const again = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": id! }));
  expect(JSON.parse((await again.rest()).at(-1)!.data!)).toEqual(result);
  door.closeAllConnections();
  door.close();
});

test("A client that comes back while its first connection seems alive takes the stream over.", async () => {
  const release = deferred();
  const { url, key, session } = await streaming(async (received) => {
    begin(received, progress(1));
    await release.promise;
    received.res.end(event(result));
  });
  const first = await Reading.of(post(url, key, call(session)));
  const { id } = (await first.next())!;
  const again = await Reading.of(get(url, key, { "mcp-session-id": session, "last-event-id": id! }));
  await again.next();
  await first.over();
  release.resolve();
  expect((await again.rest()).map(({ data }) => JSON.parse(data!))).toEqual([result]);
  expect(first.blocks.some(({ data }) => data?.includes("result"))).toBe(false);
});

test.each([
  ["TypeScript SDK 1", sdk1],
  ["TypeScript SDK 2", sdk2],
])(
  "A call of the %s survives the loss of its connection. [R:handshake-client.resume-sdk]",
  async (_, connect) => {
    const python = keep(await PythonServer.start(frameworks[0]));
    const world = keep(await TestGateway.start());
    const url = world.publish("f", { address: python.address, manifest: python.manifest });
    const { key } = world.key({ roles: { f: "user" } });
    const client = await connect(url, key);
    const folder = temporaryFolder();
    const primed = deferred();
    const called = client.hold(folder, () => primed.resolve());
    await primed.promise;
    world.server.closeAllConnections();
    writeFileSync(join(folder, "release"), "");
    expect(await called).toContain("held");
    expect(await world.record((r) => r.http_method === "GET" && r.stream_events > 0)).toMatchObject({
      outcome: "complete",
    });
    await client.close();
  },
);

function bearer(key: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
}

async function sdk1(url: string, key: string) {
  const client = new Client1({ name: "sdk-1", version: "1" });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(new Transport1(new URL(url), bearer(key)) as Parameters<Client1["connect"]>[0]);
  return {
    hold: async (folder: string, onresumptiontoken: () => void) =>
      JSON.stringify(
        await client.callTool({ name: "hold", arguments: { folder } }, undefined, { onresumptiontoken }),
      ),
    close: () => client.close(),
  };
}

async function sdk2(url: string, key: string) {
  const client = new Client2({ name: "sdk-2", version: "1" }, { versionNegotiation: { mode: "legacy" } });
  await client.connect(new Transport2(new URL(url), bearer(key)));
  return {
    hold: async (folder: string, onresumptiontoken: () => void) =>
      JSON.stringify(await client.callTool({ name: "hold", arguments: { folder } }, { onresumptiontoken })),
    close: () => client.close(),
  };
}
