import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { emptyManifest, TestGateway } from "./harness.ts";
import { listenRequest, RawStream, until } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { type Received, ScriptedUpstream, statelessCall } from "./scripted.ts";
import { connect, gated, methods } from "./telling.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const subscriptionId = "io.modelcontextprotocol/subscriptionId";

describe.each(["stateless", "handshake"] as const)("a real server that is spoken to in the %s era", (era) => {
  let place: Awaited<ReturnType<typeof gated>>;
  let url: string;
  let key: string;
  beforeAll(async () => {
    place = await gated(era);
    ({ url, key } = place);
  });
  afterAll(() => place?.[Symbol.asyncDispose]());

  test("A stateless client that listens is told of updates of the resources it named, and of no others. [R:hub.listen-updates]", async () => {
    await using client = await connect(url, key, "stateless");
    await using other = await connect(url, key, "stateless");
    const listening = await client.client.listen({ resourceSubscriptions: ["note://one"] });
    expect(listening.honoredFilter).toEqual({ resourceSubscriptions: ["note://one"] });
    await other.client.listen({ resourceSubscriptions: ["note://two"] });
    for (const uri of ["note://none", "note://two", "note://one", "note://two"])
      await client.call("touch", { uri });
    await client.inbox.of(methods.updated);
    await other.inbox.of(methods.updated, 2);
    const uris = ({ inbox }: typeof client) => inbox.told.map(({ params }) => params?.["uri"]);
    expect(uris(client)).toEqual(["note://one"]);
    expect(uris(other)).toEqual(["note://two", "note://two"]);
    await listening.close();
  });

  test("A list that the server changes by itself is told to those who asked for it alone. [R:hub.listen-lists]", async () => {
    await using told = await connect(url, key, "stateless");
    await using other = await connect(url, key, "stateless");
    // In the handshake era this server tells those sessions that it knows by a subscription.
    const resources = ["note://one"];
    await told.client.listen({ toolsListChanged: true, resourceSubscriptions: resources });
    await other.client.listen({ resourcesListChanged: true, resourceSubscriptions: resources });
    await told.call("grow");
    await told.inbox.of(methods.tools);
    await told.call("touch", { uri: "note://one" });
    await other.inbox.of(methods.updated);
    expect(other.inbox.told.map(({ method }) => method)).toEqual([methods.updated]);
  });
});

/** An upstream of the stateless era that acknowledges each listen, and keeps it to speak on. */
async function telling(
  given: {
    capabilities?: Record<string, unknown>;
    limits?: object;
    agrees?: readonly string[];
    /** Updates that it tells of before it acknowledges. */
    early?: readonly Record<string, unknown>[];
  } = {},
) {
  const streams: Received[] = [];
  const upstream = keep(
    await ScriptedUpstream.start((received) => {
      const { res, message } = received;
      if (message.method !== "subscriptions/listen") {
        res.writeHead(200, { "content-type": "application/json" });
        const result = { resultType: "complete", content: [] };
        return void res.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
      }
      streams.push(received);
      res.writeHead(200, { "content-type": "text/event-stream" });
      const { notifications } = message.params as { notifications: Record<string, unknown> };
      const { resourceSubscriptions: uris, ...lists } = notifications;
      const agreed = (uris as string[] | undefined)?.filter((uri) => given.agrees?.includes(uri) ?? true);
      const granted = agreed === undefined ? lists : { ...lists, resourceSubscriptions: agreed };
      for (const update of given.early ?? []) say(received, methods.updated, update);
      say(received, "notifications/subscriptions/acknowledged", { notifications: granted });
    }),
  );
  const world = keep(await TestGateway.start(given.limits));
  const all = { listChanged: true, subscribe: true };
  const capabilities = given.capabilities ?? { tools: all, prompts: all, resources: all };
  const url = world.publish("s", {
    address: upstream.address,
    manifest: { ...emptyManifest, capabilities, eras: ["stateless"] },
  });
  const { key } = world.key({ roles: { s: "user" } });
  const say = ({ res, message }: Received, method: string, params: Record<string, unknown> = {}) => {
    const _meta = { [subscriptionId]: message.id };
    res.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params: { ...params, _meta } })}\n\n`);
  };
  /** Wakes the instance. */
  const wake = async () => {
    const { headers, body } = statelessCall("tools/list");
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${key}` },
      body,
    });
    expect(response.status).toBe(200);
  };
  const listen = async (notifications: unknown, id?: string | number, who = key) =>
    keep(await RawStream.open(url, who, listenRequest(notifications, id)));
  const settled = async (count: number) => until(() => streams.length === count);
  return { upstream, world, url, key, streams, say, wake, listen, settled };
}

test.each([7, "seven"])(
  "The acknowledgement comes first, and every message bears the client's own id as it was: %j. [R:hub.listen-marked]",
  async (id) => {
    const { streams, say, wake, listen } = await telling();
    await wake();
    const stream = await listen({ toolsListChanged: true, resourceSubscriptions: ["a://b"] }, id);
    const [first] = await stream.first(1);
    expect(first).toEqual({
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: {
        notifications: { toolsListChanged: true, resourceSubscriptions: ["a://b"] },
        _meta: { [subscriptionId]: id },
      },
    });
    say(streams[0]!, methods.updated, { uri: "a://b" });
    const [, second] = await stream.first(2);
    expect(second!.params).toEqual({ uri: "a://b", _meta: { [subscriptionId]: id } });
    expect(stream.headers["x-accel-buffering"]).toBe("no");
  },
);

test("Only what the server can tell is acknowledged. [R:hub.listen-honoured]", async () => {
  const { listen } = await telling({ capabilities: { tools: {}, resources: {} } });
  const everything = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: false,
    resourceSubscriptions: ["a://b"],
  };
  const stream = await listen(everything);
  const [first] = await stream.first(1);
  expect(first!.params!["notifications"]).toEqual({ toolsListChanged: true });
});

test("Progress and log messages never travel on a stream that listens. [R:hub.listen-nothing-else]", async () => {
  const { streams, say, wake, listen } = await telling();
  await wake();
  const stream = await listen({ toolsListChanged: true });
  await stream.first(1);
  say(streams[0]!, "notifications/message", { level: "error", data: "no" });
  say(streams[0]!, "notifications/progress", { progressToken: 1, progress: 1 });
  say(streams[0]!, methods.prompts);
  say(streams[0]!, methods.tools);
  const [, second] = await stream.first(2);
  expect(second!.method).toBe(methods.tools);
});

const several = Array.from({ length: 257 }, (_, i) => `a://${i}`);
test.each([
  ["none", undefined, "params.notifications must be an object."],
  [
    "one with a flag that is a text",
    { toolsListChanged: "yes" },
    "params.notifications.toolsListChanged must be true or false.",
  ],
  [
    "one with a text for a list",
    { resourceSubscriptions: "a://b" },
    "params.notifications.resourceSubscriptions must be a list of URIs.",
  ],
  [
    "one with a number for a URI",
    { resourceSubscriptions: [1] },
    "params.notifications.resourceSubscriptions must be a list of URIs.",
  ],
  [
    "one with 257 URIs",
    { resourceSubscriptions: several },
    "params.notifications.resourceSubscriptions names more than 256 resources.",
  ],
])("A filter that is none is refused: %s. [R:hub.listen-judged]", async (_, notifications, message) => {
  const { url, key } = await telling();
  const { headers, body } = listenRequest(notifications);
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${key}` },
    body,
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ id: 7, error: { code: -32602, message } });
});

test("Listeners of one principal share one stream upstream, others have their own, and nobody's is left. [R:hub.listen-pooled]", async () => {
  const { world, url, streams, wake, listen, settled } = await telling();
  await wake();
  const one = await listen({ toolsListChanged: true });
  await one.first(1);
  const two = await listen({ toolsListChanged: true }, 8);
  await two.first(1);
  expect(streams.length).toBe(1);
  const another = world.key({ roles: { s: "user" } }).key;
  const three = await listen({ toolsListChanged: true }, 9, another);
  await three.first(1);
  expect(streams.length).toBe(2);
  // A wish that is wider asks once more, and the narrower stream ends.
  const wider = keep(await RawStream.open(url, another, listenRequest({ resourceSubscriptions: ["a://b"] })));
  await wider.first(1);
  await settled(3);
  expect(streams[2]!.message.params!["notifications"]).toEqual({
    toolsListChanged: true,
    resourceSubscriptions: ["a://b"],
  });
  await until(() => streams[1]!.res.closed);
  for (const stream of [one, two, three, wider]) await stream[Symbol.asyncDispose]();
  await until(() => streams.every(({ res }) => res.closed));
});

test("A stream that listens to lists wakes no instance, and rides along once a call has. [R:hub.rides-along]", async () => {
  const { world, streams, say, wake, listen, settled } = await telling();
  const stream = await listen({ toolsListChanged: true });
  await stream.first(1);
  expect(world.acquired.size).toBe(0);
  await wake();
  await settled(1);
  say(streams[0]!, methods.tools);
  const [, second] = await stream.first(2);
  expect(second!.method).toBe(methods.tools);
});

test("A stream that listens to lists keeps no instance awake; one to a resource does, and wakes it. [R:hub.subscription-is-use]", async () => {
  const { world, streams, wake, listen } = await telling({ limits: { idleMs: 50 } });
  const lists = await listen({ toolsListChanged: true });
  await lists.first(1);
  await wake();
  await until(() => world.released.get("srv_acme_s") === 1);
  await until(() => streams.every(({ res }) => res.closed));
  const resource = await listen({ resourceSubscriptions: ["a://b"] });
  await resource.first(1);
  expect(world.acquired.get("srv_acme_s")).toBe(2);
  expect(streams.at(-1)!.res.closed).toBe(false);
  // Longer than any rest would be allowed.
  const longer = performance.now() + 300;
  await until(() => performance.now() > longer);
  expect(world.released.get("srv_acme_s")).toBe(1);
});

test("A stream that its upstream breaks off is opened again, and its client notices nothing. [R:hub.attaches-again]", async () => {
  const { streams, say, wake, listen, settled } = await telling();
  await wake();
  const stream = await listen({ toolsListChanged: true });
  await stream.first(1);
  streams[0]!.res.destroy();
  await settled(2);
  say(streams[1]!, methods.tools);
  const [, second] = await stream.first(2);
  expect(second!.method).toBe(methods.tools);
  expect(stream.ended).toBe(false);
});

test("When the gateway closes, a stream ends with the result of its request. [R:hub.listen-result]", async () => {
  const { world, listen } = await telling();
  const stream = await listen({ toolsListChanged: true }, "mine");
  await stream.first(1);
  await world.gateway.close();
  await stream.until(({ ended }) => ended);
  expect(stream.messages.at(-1)).toEqual({
    jsonrpc: "2.0",
    id: "mine",
    result: { resultType: "complete", _meta: { [subscriptionId]: "mine" } },
  });
});

test("A stream whose key is revoked ends. [R:hub.revoked-ends]", async () => {
  const { world, key, listen } = await telling();
  const stream = await listen({ toolsListChanged: true });
  await stream.first(1);
  world.revoke(key);
  await stream.until(({ ended }) => ended);
  expect(stream.messages.length).toBe(2);
});

test("A stream at rest carries comments, so that nobody on the way takes it for dead. [R:hub.keep-alive]", async () => {
  const { listen } = await telling({ limits: { keepAliveMs: 20 } });
  const stream = await listen({ toolsListChanged: true });
  await stream.until(({ text }) => text.includes("\n: keep-alive\n"));
  expect(stream.messages.length).toBe(1);
});

test("A standing stream leaves one record when it ends. [R:hub.one-record]", async () => {
  const { world, listen } = await telling();
  const stream = await listen({ toolsListChanged: true });
  await stream.first(1);
  await stream[Symbol.asyncDispose]();
  const record = await world.record(({ method }) => method === "subscriptions/listen");
  expect(record).toMatchObject({ http_status: 200, stream_events: 1, era: "stateless", decision: "allow" });
});

test("What the upstream does not agree to is not acknowledged either, and who may not read resources is told of none. [R:hub.listen-granted]", async () => {
  const { world, url, streams, wake, listen } = await telling({ agrees: ["a://b"] });
  await wake();
  const asked = { toolsListChanged: true, resourceSubscriptions: ["a://b", "a://c"] };
  const stream = await listen(asked);
  const [first] = await stream.first(1);
  expect(first!.params!["notifications"]).toEqual({
    toolsListChanged: true,
    resourceSubscriptions: ["a://b"],
  });
  const viewer = world.key({ roles: { s: "viewer" } }).key;
  const seeing = keep(await RawStream.open(url, viewer, listenRequest(asked)));
  const [seen] = await seeing.first(1);
  expect(seen!.params!["notifications"]).toEqual({ toolsListChanged: true });
  expect(streams.at(-1)!.message.params!["notifications"]).toEqual({ toolsListChanged: true });
});

test("What a server tells before it acknowledges comes after the acknowledgement, as far as it is held. [R:hub.listen-held]", async () => {
  const uri = "a://b";
  const filled = (name: string) => ({ uri, name, filling: "x".repeat(700_000) });
  const { listen } = await telling({ early: [filled("first"), filled("second"), { uri, name: "third" }] });
  const stream = await listen({ resourceSubscriptions: [uri] });
  const [acknowledged, ...told] = await stream.first(3);
  expect(acknowledged!.method).toBe("notifications/subscriptions/acknowledged");
  expect(told.map(({ params }) => params!["name"])).toEqual(["first", "third"]);
});
