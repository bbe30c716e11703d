import { once } from "node:events";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { temporaryFolder } from "./harness.ts";
import { get, Reading, reads } from "./reading.ts";
import { deferred, event, handshakeCall, post, responseOf, scene, text } from "./scene.ts";
import { openSession, type Received, statelessCall, wellBehaved } from "./scripted.ts";

test("After 256 clients dropped at once, the gateway serves on.", async () => {
  let holding = 0;
  let closed = 0;
  const all = deferred();
  const allClosed = deferred();
  const { url, key, world, upstream } = await scene((received) => {
    if (received.message.params?.["name"] !== "big") return wellBehaved(received);
    received.res.writeHead(200, { "content-type": "text/event-stream" });
    const fill = () => {
      while (!received.res.destroyed && received.res.write(`: ${"x".repeat(65_536)}\n\n`));
    };
    received.res.on("drain", fill);
    received.res.on("close", () => {
      if (++closed === 256) allClosed.resolve();
    });
    fill();
    if (++holding === 256) all.resolve();
  });
  // A unix socket's buffers are small: a client that does not read is felt upstream at once.
  const socketPath = join(temporaryFolder(), "g");
  const door = createServer((req, res) => world.gateway.handle(req, res)).listen(socketPath);
  await once(door, "listening");
  const clients = Array.from({ length: 256 }, () => {
    const given = statelessCall("tools/call", { name: "big" });
    const headers = { ...given.headers, authorization: `Bearer ${key}` };
    const client = request({ socketPath, path: new URL(url).pathname, method: "POST", headers });
    client.on("error", () => {});
    client.end(given.body);
    return client;
  });
  // A listener that reads nothing: without one, Node's client would drain the answer.
  for (const client of clients) client.on("response", () => {});
  await all.promise;
  for (const client of clients) client.destroy();
  await allClosed.promise;
  door.close();
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "small" })));
  expect(response.statusCode).toBe(200);
  expect(await text(response)).toContain("session ");
  const gone = () => world.records.filter((r) => r.capability_name === "big");
  await world.record(() => gone().length === 256);
  expect(new Set(gone().map((r) => r.outcome))).toEqual(new Set(["client_gone"]));
  expect(upstream.received.length).toBe(257);
}, 30_000);

test("A thousand rounds of leaving clients, hanging and dying upstreams and lost instances leave no socket, timer, lease or exchange behind.", async () => {
  const { url, key, world, upstream } = await scene(
    (received) => {
      const kind = received.message.params?.["name"];
      if (kind === "dies") received.res.destroy();
      else if (kind === "stream" || kind === "slow") {
        received.res.writeHead(200, { "content-type": "text/event-stream" });
        received.res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
      } else if (kind !== "hangs") wellBehaved(received);
    },
    { windowMs: 100 },
  );
  let lost = new AbortController();
  world.instances.set("srv_acme_s", async () => world.lease("srv_acme_s", upstream.address, lost));
  const session = await openSession(url, key);
  const leave = async (given: { headers: Record<string, string>; body: string }) => {
    const leaving = post(url, key, given);
    await responseOf(leaving);
    leaving.destroy();
  };
  const round = async () => {
    await leave(statelessCall("tools/call", { name: "stream" }));
    await leave(handshakeCall(session, "slow"));
    for (const name of ["dies", "fine", "hangs"]) {
      await text(await responseOf(post(url, key, statelessCall("tools/call", { name }))));
    }
  };
  const rounds = async (count: number) => {
    const from = world.records.length;
    for (let i = 0; i < count / 50; i++) {
      await Promise.all(Array.from({ length: 50 }, round));
      await world.record(() => world.records.length === from + (i + 1) * 250);
      lost.abort(new Error("replaced"));
      lost = new AbortController();
    }
  };
  const open = (kind: RegExp) => process.getActiveResourcesInfo().filter((name) => kind.test(name)).length;
  const leases = () => world.acquired.get("srv_acme_s")! - (world.released.get("srv_acme_s") ?? 0);
  await rounds(50);
  const before = { timers: open(/Timeout/), sockets: open(/TCP|Pipe/) };
  await rounds(1000);
  expect(world.records.length).toBe(1 + 5 * 1050);
  expect(leases()).toBe(0);
  // Sockets close a turn of the loop after they were told to; every instance was lost, so none stays.
  await vi.waitFor(async () => {
    expect(await upstream.connections()).toBe(0);
    expect(open(/Timeout/)).toBeLessThanOrEqual(before.timers + 20);
    expect(open(/TCP|Pipe/)).toBeLessThanOrEqual(before.sockets + 20);
  }, 5_000);
}, 60_000);

test("A thousand rounds of clients that open streams, lose them, come back and leave for good leave nothing behind. [R:handshake-client.streams-leak-nothing]", async () => {
  const script = (received: Received) => {
    const { req, res, message } = received;
    if (req.method === "GET") return void res.writeHead(405).end();
    if (message.params?.["name"] !== "stream") return wellBehaved(received);
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    // Whoever was here has left by the time of the next call of its round.
    ongoing.push(() => res.end(event({ jsonrpc: "2.0", id: 7, result: {} })));
  };
  const { url, key, world } = await scene(script, { limits: { replayMs: 100, keepAliveMs: 100 } });
  const ongoing: (() => void)[] = [];
  const session = { "mcp-session-id": await openSession(url, key) };
  const call = handshakeCall(session["mcp-session-id"], "stream");
  const round = async () => {
    // A call's stream, lost; and come back to, and lost again.
    const first = await Reading.of(post(url, key, { ...call, headers: { ...call.headers, ...reads } }));
    const { id } = (await first.next())!;
    first.req.destroy();
    const again = await Reading.of(get(url, key, { ...session, "last-event-id": id! }));
    await again.next();
    again.req.destroy();
    // The stream on which the server speaks first, and the old transport's.
    for (const at of [url, url.replace(/mcp$/, "sse")]) {
      const reading = await Reading.of(get(at, key, session));
      reading.req.destroy();
      await reading.over();
    }
  };
  const rounds = async (count: number) => {
    for (let i = 0; i < count / 25; i++) {
      const from = world.records.length;
      await Promise.all(Array.from({ length: 25 }, round));
      for (const end of ongoing.splice(0)) end();
      await world.record(() => world.records.length === from + 100);
    }
  };
  const open = (kind: RegExp) => process.getActiveResourcesInfo().filter((name) => kind.test(name)).length;
  await rounds(100);
  const before = { timers: open(/Timeout/), sockets: open(/TCP|Pipe/), heap: heap() };
  await rounds(1000);
  await vi.waitFor(() => {
    expect(world.gateway.sizes).toMatchObject({ exchanges: 0, open: 0, lines: 0 });
    // The session's own stream may still be come back to.
    expect(world.gateway.sizes.held).toBeLessThanOrEqual(1);
    expect(open(/Timeout/)).toBeLessThanOrEqual(before.timers + 20);
    expect(open(/TCP|Pipe/)).toBeLessThanOrEqual(before.sockets + 20);
  }, 5_000);
  expect(heap() - before.heap).toBeLessThan(20 * 1024 * 1024);
}, 120_000);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of the heap that are in use. */
function heap(): number {
  for (let i = 0; i < 3; i++) collect();
  return process.memoryUsage().heapUsed;
}
