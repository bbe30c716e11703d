import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ServerRole } from "../../src/policy/permissions.ts";
import { emptyManifest, TestGateway } from "./harness.ts";
import { RawStream, standing, until } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { openSession, ScriptedUpstream } from "./scripted.ts";
import { connect, gated, methods } from "./telling.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

describe.each(["stateless", "handshake"] as const)("a real server that is spoken to in the %s era", (era) => {
  let place: Awaited<ReturnType<typeof gated>>;
  let url: string;
  let key: string;
  beforeAll(async () => {
    place = await gated(era);
    ({ url, key } = place);
  });
  afterAll(() => place?.[Symbol.asyncDispose]());

  test("A handshake client is told of updates of the resources it is subscribed to, until it is not. [R:hub.session-updates]", async () => {
    await using client = await connect(url, key, "handshake");
    await client.client.subscribeResource({ uri: "note://one" });
    // Its own stream is opened beside, so the first updates may be early.
    await until(async () => {
      await client.call("touch", { uri: "note://one" });
      return client.inbox.told.length > 0;
    });
    await client.client.subscribeResource({ uri: "note://two" });
    await client.client.unsubscribeResource({ uri: "note://one" });
    const early = client.inbox.told.filter(({ params }) => params?.["uri"] === "note://one").length;
    await client.call("touch", { uri: "note://one" });
    await client.call("touch", { uri: "note://two" });
    await client.inbox.of(methods.updated, 1, "note://two");
    expect(client.inbox.told.filter(({ params }) => params?.["uri"] === "note://one").length).toBe(early);
  });

  test("A handshake client that may see but not call lists its tools. [R:guards.notes-judged]", async () => {
    const viewer = place.world.key({ roles: { telling: "viewer" } }).key;
    await using client = await connect(url, viewer, "handshake");
    expect((await client.client.listTools()).tools.map(({ name }) => name)).toContain("touch");
    await expect(client.call("touch", { uri: "note://one" })).rejects.toThrow("may see this server");
  });

  test("A subscription outlives the instance that it was made at. [R:hub.subscription-survives]", async () => {
    await using client = await connect(url, key, "handshake");
    for (const uri of ["note://one", "note://two"]) await client.client.subscribeResource({ uri });
    const told = (uri: string) => client.inbox.told.some(({ params }) => params?.["uri"] === uri);
    const touched = (uri: string) => until(() => client.call("touch", { uri }).then(() => told(uri)));
    await touched("note://two");
    await place.running.runner.retire(place.running.target);
    expect(told("note://one")).toBe(false);
    await touched("note://one");
  });
});

/** A handshake upstream that keeps the streams on which it speaks first. */
async function speaking({
  role = "user",
  ...limits
}: { role?: ServerRole; replayMs?: number; streamsPerPrincipal?: number } = {}) {
  const gets: { session: string; say: (message: object) => void; closed: () => boolean }[] = [];
  const posted: { session: string; method: string | undefined }[] = [];
  const upstream = keep(
    await ScriptedUpstream.start(({ req, res, message }) => {
      const session = String(req.headers["mcp-session-id"]);
      if (req.method === "GET") {
        res.writeHead(200, { "content-type": "text/event-stream" });
        res.flushHeaders();
        const say = (value: object) =>
          void res.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...value })}\n\n`);
        return void gets.push({ session, say, closed: () => res.closed });
      }
      posted.push({ session, method: message.method });
      if (message.id === undefined || message.method === undefined) return void res.writeHead(202).end();
      const result =
        message.method === "initialize"
          ? {
              protocolVersion: message.params!["protocolVersion"],
              capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
              serverInfo: { name: "speaking", version: "1" },
            }
          : {};
      res.writeHead(200, { "content-type": "application/json" });
      res.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
    }),
  );
  const world = keep(await TestGateway.start(limits));
  const manifest = { ...emptyManifest, capabilities: { tools: { listChanged: true }, logging: {} } };
  const url = world.publish("s", { address: upstream.address, manifest, eras: ["handshake"] });
  const { key, principal } = world.key({ roles: { s: role } });
  const session = await openSession(url, key);
  const stand = async (headers: Record<string, string> = {}) => {
    const { method, headers: own } = standing(session);
    return keep(await RawStream.open(url, key, { method, headers: { ...own, ...headers } }));
  };
  const send = async (method: string, params: object = {}) => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        ...standing(session).headers,
        "content-type": "application/json",
        authorization: `Bearer ${key}`,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 5, method, params }),
    });
    return { status: response.status, body: (await response.json()) as { error?: { message: string } } };
  };
  return { world, upstream, url, key, principal, session, gets, posted, stand, send };
}

test("What a server says first in a session reaches the stream of that session, as it said it, requests too. [R:hub.session-first]", async () => {
  const { gets, stand } = await speaking();
  const stream = await stand();
  await until(() => gets.length === 1);
  gets[0]!.say({ id: "ask-1", method: "roots/list" });
  gets[0]!.say({ method: methods.updated, params: { uri: "a://b" } });
  expect(await stream.first(2)).toEqual([
    { jsonrpc: "2.0", id: "ask-1", method: "roots/list" },
    { jsonrpc: "2.0", method: methods.updated, params: { uri: "a://b" } },
  ]);
});

test("Log messages below the level that a session set stay away from its stream. [R:hub.session-level]", async () => {
  const { gets, stand, send } = await speaking();
  await send("logging/setLevel", { level: "error" });
  const stream = await stand();
  await until(() => gets.length === 1);
  const log = (level: string) => ({ method: "notifications/message", params: { level, data: level } });
  gets[0]!.say(log("info"));
  gets[0]!.say(log("critical"));
  const [first] = await stream.first(1);
  expect(first!.params!["level"]).toBe("critical");
});

test("A session has one standing stream, the newest. [R:hub.one-per-session]", async () => {
  const { gets, stand } = await speaking();
  const one = await stand();
  await until(() => gets.length === 1);
  const two = await stand();
  await one.until(({ ended }) => ended);
  await until(() => gets.length === 2);
  gets[1]!.say({ method: methods.tools });
  await two.first(1);
  expect(one.messages).toEqual([]);
});

test("A client that lost its standing stream goes on with what it missed. [R:hub.standing-resumes]", async () => {
  const { world, gets, stand } = await speaking();
  const one = await stand();
  await until(() => gets.length === 1);
  gets[0]!.say({ method: methods.tools });
  await one.first(1);
  const id = /id: (\S+)\n(?:.*\n)?data: \{/.exec(one.text)![1]!;
  await one[Symbol.asyncDispose]();
  // It is known to be gone once its record is written.
  await world.record(({ http_method }) => http_method === "GET");
  gets[0]!.say({ method: methods.prompts });
  const two = await stand({ "last-event-id": id });
  gets[0]!.say({ method: methods.resources });
  expect((await two.first(2)).map(({ method }) => method)).toEqual([methods.prompts, methods.resources]);
  expect(gets.length).toBe(1);
});

test("A client that comes back too late for what it missed gets a new stream. [R:hub.standing-late]", async () => {
  const { world, gets, stand } = await speaking({ replayMs: 50 });
  const one = await stand();
  await until(() => gets.length === 1);
  gets[0]!.say({ method: methods.tools });
  await one.first(1);
  const id = /id: (\S+)\n(?:.*\n)?data: \{/.exec(one.text)![1]!;
  await one[Symbol.asyncDispose]();
  await until(() => world.gateway.sizes.held === 0);
  const two = await stand({ "last-event-id": id });
  expect(two.status).toBe(200);
  await until(() => gets.length === 2);
  gets[1]!.say({ method: methods.prompts });
  expect((await two.first(1))[0]!.method).toBe(methods.prompts);
});

test("A standing stream ends with its session.", async () => {
  const { url, key, session, gets, stand } = await speaking();
  const stream = await stand();
  await until(() => gets.length === 1);
  await fetch(url, {
    method: "DELETE",
    headers: { authorization: `Bearer ${key}`, "mcp-session-id": session },
  });
  await stream.until(({ ended }) => ended);
  await until(() => gets[0]!.closed());
  expect(stream.messages).toEqual([]);
});

test("A standing stream ends when its session expires, and when its key is revoked. [R:hub.standing-ends]", async () => {
  const { world, key, stand } = await speaking();
  const expiring = await stand();
  const day = 24 * 60 * 60 * 1000;
  world.now = () => Date.now() + day;
  await expiring.until(({ ended }) => ended);
  world.now = () => Date.now();
  const revoked = await stand();
  world.revoke(key);
  await revoked.until(({ ended }) => ended);
  expect([...expiring.messages, ...revoked.messages]).toEqual([]);
});

test("A session whose client only listens is used by that, and goes on. [R:sessions.idle-listening]", async () => {
  const { world, stand, send } = await speaking();
  const { id } = world.sessions.at(-1)!;
  const stream = await stand();
  const hour = 60 * 60 * 1000;
  const began = Date.now();
  world.now = () => Date.now() + 20 * hour;
  await until(() => (world.published.get(id)?.until ?? 0) >= began + 44 * hour);
  world.now = () => Date.now() + 30 * hour;
  expect((await send("tools/list")).status).toBe(200);
  expect(stream.ended).toBe(false);
});

/** What a server says in a session. */
const said = [
  { id: "ask-1", method: "roots/list" },
  { method: methods.updated, params: { uri: "a://b" } },
  { method: "notifications/message", params: { level: "error", data: "secret" } },
  { method: methods.tools },
];

test("Who may see but not call is told of lists that change, and of nothing else that its server says. [R:hub.viewer-lists]", async () => {
  const { session, gets, posted, stand } = await speaking({ role: "viewer" });
  const own = posted.find(({ method }) => method === "initialize")!.session;
  expect(session).toBeDefined();
  const stream = await stand();
  await until(() => gets.length === 1);
  expect(gets[0]!.session).not.toBe(own);
  for (const message of said) gets[0]!.say(message);
  const [first] = await stream.first(1);
  expect(first!.method).toBe(methods.tools);
});

test("A stream whose caller may not call any more leaves its session at once, and has it again with the right to call. [R:hub.downgrade-leaves]", async () => {
  const { world, principal, gets, stand } = await speaking();
  const stream = await stand();
  await until(() => gets.length === 1);
  world.grant(principal, "s", "viewer");
  await until(() => gets[0]!.closed() && gets.length === 2);
  expect(gets[1]!.session).not.toBe(gets[0]!.session);
  for (const message of said) gets[1]!.say(message);
  const [first] = await stream.first(1);
  expect(first!.method).toBe(methods.tools);
  world.grant(principal, "s", "user");
  await until(() => gets[1]!.closed() && gets.length === 3);
  expect(gets[2]!.session).toBe(gets[0]!.session);
  gets[2]!.say(said[0]!);
  expect((await stream.first(2))[1]!.method).toBe("roots/list");
});

test("A standing stream that is resumed with another key ends with that key, and no longer with the first. [R:hub.resumed-proof]", async () => {
  const { world, url, key, principal, session, gets, stand } = await speaking();
  const one = await stand();
  await until(() => gets.length === 1);
  gets[0]!.say({ method: methods.tools });
  await one.first(1);
  const id = /id: (\S+)\n(?:.*\n)?data: \{/.exec(one.text)![1]!;
  await one[Symbol.asyncDispose]();
  await world.record(({ http_method }) => http_method === "GET");
  const { method, headers } = standing(session);
  const other = world.another(principal);
  const two = keep(
    await RawStream.open(url, other, { method, headers: { ...headers, "last-event-id": id } }),
  );
  world.revoke(key);
  gets[0]!.say({ method: methods.prompts });
  await two.first(1);
  expect(two.ended).toBe(false);
  world.revoke(other);
  await two.until(({ ended }) => ended);
});

test("A session may be subscribed to 256 resources, and is told when it wants more. [R:guards.subscriptions-most]", async () => {
  const { send } = await speaking();
  for (let i = 0; i < 256; i++) await send("resources/subscribe", { uri: `a://${i}` });
  await until(async () => (await send("resources/subscribe", { uri: "a://256" })).body.error !== undefined);
  const { body } = await send("resources/subscribe", { uri: "a://256" });
  expect(body.error!.message).toContain("256 resources");
  expect((await send("resources/unsubscribe", { uri: "a://0" })).body.error).toBeUndefined();
});

test("So many standing streams as an instance has are never in the way of calls. [R:hub.room-for-calls]", async () => {
  const { world, url, key, upstream, send } = await speaking({ streamsPerPrincipal: 2000 });
  const open = async () => {
    const session = await openSession(url, key);
    return keep(await RawStream.open(url, key, standing(session)));
  };
  for (let i = 0; i < 22; i++) await Promise.all(Array.from({ length: 25 }, open));
  const gets = () => upstream.received.filter(({ req }) => req.method === "GET").length;
  await until(() => gets() >= 512);
  expect((await send("tools/list")).status).toBe(200);
  expect(gets()).toBe(512);
  expect(world.gateway.sizes.listeners).toBe(550);
});
