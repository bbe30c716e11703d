import { once } from "node:events";
import { existsSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { frameworks, PythonServer, temporaryFolder, TestGateway } from "./harness.ts";
import { deferred, event, handshakeCall, keep, post, responseOf, result, scene, text } from "./scene.ts";
import { openSession, type Received, statelessCall, wellBehaved } from "./scripted.ts";

test("An event reaches the client while the upstream still holds the rest.", async () => {
  const release = deferred();
  const { url, key, world } = await scene(async ({ res }) => {
    res.writeHead(200, { "content-type": "text/event-stream", "set-cookie": "a=b", "x-own": "1" });
    res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } }));
    await release.promise;
    res.end(event(result));
  });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.headers).toMatchObject({
    "content-type": "text/event-stream",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
  });
  expect(response.headers).not.toHaveProperty("set-cookie");
  expect(response.headers).not.toHaveProperty("x-own");
  const [first] = (await once(response, "data")) as [Buffer];
  expect(first.toString()).toContain("notifications/progress");
  release.resolve();
  expect(await text(response)).toContain('"result"');
  const record = await world.record((r) => r.method === "tools/call");
  expect(record).toMatchObject({ stream_events: 2, outcome: "complete", http_status: 200 });
});

test("The head of a stream leaves before its first event.", async () => {
  const release = deferred();
  const { url, key } = await scene(async ({ res }) => {
    res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    await release.promise;
    res.end(event(result));
  });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  release.resolve();
  expect(await text(response)).toContain('"result"');
});

test("A stateless client that leaves aborts its request upstream and nobody else's. [R:stateless-client.disconnect-cancels]", async () => {
  const began = new Map<unknown, Received>();
  const arrived = [deferred(), deferred()];
  const { url, key, world } = await scene((received) => {
    began.set(received.message.params!["name"], received);
    received.res.writeHead(200, { "content-type": "text/event-stream" });
    received.res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    arrived[began.size - 1]!.resolve();
  });
  const leaving = post(url, key, statelessCall("tools/call", { name: "leaving" }));
  await responseOf(leaving);
  await arrived[0]!.promise;
  const staying = post(url, key, statelessCall("tools/call", { name: "staying" }));
  const stayed = await responseOf(staying);
  await arrived[1]!.promise;
  const aborted = once(began.get("leaving")!.res, "close");
  leaving.destroy();
  await aborted;
  expect(began.get("leaving")!.res.writableFinished).toBe(false);
  began.get("staying")!.res.end(event(result));
  expect(await text(stayed)).toContain('"result"');
  expect((await world.record((r) => r.capability_name === "leaving")).outcome).toBe("client_gone");
  expect((await world.record((r) => r.capability_name === "staying")).outcome).toBe("complete");
});

test("A handshake client that leaves cancels nothing: the upstream is read to its end.", async () => {
  const arrived = deferred();
  const release = deferred();
  let finished = false;
  const { url, key, world } = await scene(async (received) => {
    if (received.message.method !== "tools/call") return wellBehaved(received);
    received.res.writeHead(200, { "content-type": "text/event-stream" });
    received.res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    arrived.resolve();
    await release.promise;
    // More than any socket buffers: it only ends if somebody reads it.
    for (let i = 0; i < 64; i++) {
      if (!received.res.write(`: ${"x".repeat(65_536)}\n\n`)) await once(received.res, "drain");
    }
    received.res.end(event(result), () => {
      finished = true;
    });
  });
  const session = await openSession(url, key);
  const leaving = post(url, key, handshakeCall(session, "t"));
  await responseOf(leaving);
  await arrived.promise;
  leaving.destroy();
  await once(leaving, "close");
  release.resolve();
  const record = await world.record((r) => r.method === "tools/call");
  expect(finished).toBe(true);
  expect(record).toMatchObject({ outcome: "client_gone", http_status: 200 });
});

test("A handshake client that hangs up on having its response has left nothing behind.", async () => {
  const release = deferred();
  const { url, key, world } = await scene(async (received) => {
    if (received.message.method !== "tools/call") return wellBehaved(received);
    received.res.writeHead(200, { "content-type": "text/event-stream" });
    received.res.write(event(result));
    await release.promise;
    received.res.end();
  });
  const session = await openSession(url, key);
  const leaving = post(url, key, handshakeCall(session, "t"));
  const left = once(leaving, "close");
  const response = await responseOf(leaving);
  expect(String(((await once(response, "data")) as [Buffer])[0])).toContain('"result"');
  leaving.destroy();
  await left;
  release.resolve();
  const record = await world.record((r) => r.method === "tools/call");
  expect(record).toMatchObject({ outcome: "complete", http_status: 200 });
});

test("A tool on a real server is cancelled by a leaving stateless client, and finishes for a leaving handshake client.", async () => {
  const python = keep(await PythonServer.start(frameworks[1]));
  const world = keep(await TestGateway.start());
  const url = world.publish("f", { address: python.address, manifest: python.manifest });
  const { key } = world.key({ roles: { f: "user" } });
  const session = await openSession(url, key);
  const run = async (make: (folder: string) => { headers: Record<string, string>; body: string }) => {
    const folder = temporaryFolder();
    const leaving = post(url, key, make(folder));
    await appears(folder, "began");
    leaving.destroy();
    return folder;
  };
  const cancelled = await run((folder) =>
    statelessCall("tools/call", { name: "hold", arguments: { folder } }),
  );
  await appears(cancelled, "cancelled");
  const kept = await run((folder) => handshakeCall(session, "hold", { folder }));
  writeFileSync(join(kept, "release"), "");
  await appears(kept, "finished");
  expect(existsSync(join(kept, "cancelled"))).toBe(false);
}, 30_000);

async function appears(folder: string, name: string): Promise<void> {
  const controller = new AbortController();
  const watcher = watch(folder, { signal: controller.signal });
  watcher.on("error", () => {});
  while (!existsSync(join(folder, name))) await once(watcher, "change");
  controller.abort();
}

test("An upstream that hangs ends in a clear error when the request window is over.", async () => {
  const { url, key, world } = await scene(() => {}, { windowMs: 150 });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.statusCode).toBe(504);
  expect(JSON.parse(await text(response))).toMatchObject({
    id: 7,
    error: { data: { boundary: "upstream" }, message: expect.stringContaining("150 ms") },
  });
  expect(await world.record(() => true)).toMatchObject({ outcome: "timeout", boundary: "upstream" });
});

test("A start that takes longer than the request window ends in a clear error of the runtime.", async () => {
  const world = keep(await TestGateway.start());
  const never = deferred();
  const url = world.publish("s", {
    address: async () => {
      await never.promise;
      throw new Error("the test is over");
    },
    windowMs: 100,
  });
  const { key } = world.key({ roles: { s: "user" } });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.statusCode).toBe(504);
  expect(JSON.parse(await text(response)).error.data.boundary).toBe("runtime");
  never.resolve();
});

test("A start that fails is told with its reason and what to do.", async () => {
  const world = keep(await TestGateway.start());
  const url = world.publish("s", {
    address: async () => {
      throw Object.assign(new Error("main.py has no server object."), { hint: "Name it with --entrypoint." });
    },
  });
  const { key } = world.key({ roles: { s: "user" } });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.statusCode).toBe(503);
  const { error } = JSON.parse(await text(response));
  expect(error.message).toContain("main.py has no server object. Name it with --entrypoint.");
  expect(error.data.boundary).toBe("runtime");
  expect(await world.record(() => true)).toMatchObject({ boundary: "runtime", http_status: 503 });
});

test("An upstream that dies within a stream ends the stream with an error for the request.", async () => {
  const { url, key, world } = await scene(({ res }) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    res.write("event: message\ndata: {", () => res.destroy());
  });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  const events = (await text(response)).trim().split("\n\n");
  expect(JSON.parse(events.at(-1)!.split("data: ")[1]!)).toMatchObject({
    id: 7,
    error: { data: { boundary: "upstream" } },
  });
  expect(await world.record(() => true)).toMatchObject({
    outcome: "upstream_gone",
    boundary: "upstream",
    is_error: true,
  });
});

test("An upstream that dies before it answers is a 502, and is not asked twice.", async () => {
  const { url, key, upstream } = await scene(({ res }) => void res.destroy());
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.statusCode).toBe(502);
  expect(upstream.received.length).toBe(1);
});

test.each<[string, (received: Received) => unknown]>([
  ["bytes that are no HTTP", (r: Received) => r.res.socket!.end("garbage\r\n\r\n")],
  ["a page", (r: Received) => r.res.writeHead(200, { "content-type": "text/html" }).end("<p>")],
  ["a redirect", (r: Received) => r.res.writeHead(302, { location: "http://example.com/" }).end()],
  ["a challenge of its own", (r: Received) => r.res.writeHead(401, { "www-authenticate": "Basic" }).end()],
])("An upstream that answers with %s becomes a 502.", async (_, script) => {
  const { url, key, world } = await scene((received) => void script(received));
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.statusCode).toBe(502);
  expect(response.headers).not.toHaveProperty("location");
  expect(response.headers).not.toHaveProperty("www-authenticate");
  expect(JSON.parse(await text(response))).toMatchObject({
    id: 7,
    error: { data: { boundary: "upstream" } },
  });
  expect(await world.record(() => true)).toMatchObject({ boundary: "upstream", http_status: 502 });
});

test("An instance that cannot be connected to is given up, and the next one serves the request.", async () => {
  const { upstream, world, key } = await scene(wellBehaved);
  const addresses = ["unix:/nonexistent/socket", upstream.address];
  const url = world.publish("s", {
    address: async () => world.lease("srv_acme_s", addresses.shift() ?? upstream.address),
  });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(response.statusCode).toBe(200);
  expect(upstream.received.length).toBe(1);
  expect(world.released.get("srv_acme_s")).toBe(1);
});

test("A lost instance is dropped, what it worked on fails clearly, and the next request acquires anew.", async () => {
  const arrived = deferred();
  const { upstream, world, key } = await scene((received) => {
    if (received.message.params?.["name"] === "stuck") arrived.resolve();
    else wellBehaved(received);
  });
  const lost = new AbortController();
  const url = world.publish("s", { address: async () => world.lease("srv_acme_s", upstream.address, lost) });
  const stuck = responseOf(post(url, key, statelessCall("tools/call", { name: "stuck" })));
  await arrived.promise;
  lost.abort(new Error("killed"));
  const failed = await stuck;
  expect(failed.statusCode).toBe(502);
  expect(JSON.parse(await text(failed)).error.data.boundary).toBe("runtime");
  world.instances.set("srv_acme_s", async () => world.lease("srv_acme_s", upstream.address));
  const next = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(next.statusCode).toBe(200);
  await text(next);
  expect(world.acquired.get("srv_acme_s")).toBe(2);
});

test("Many requests share one start and one lease, which is released when idle.", async () => {
  const { world, url, key, upstream } = await scene(wellBehaved, { idleMs: 40 });
  const responses = await Promise.all(
    Array.from({ length: 20 }, () => responseOf(post(url, key, statelessCall("tools/call", { name: "t" })))),
  );
  await Promise.all(responses.map(text));
  expect(world.acquired.get("srv_acme_s")).toBe(1);
  await new Promise<void>((resolve) => {
    const poll = setInterval(() => {
      if (world.released.get("srv_acme_s") !== 1) return;
      clearInterval(poll);
      resolve();
    }, 5);
  });
  expect(upstream.received.length).toBe(20);
});

test("Two stateless requests are never given the same session upstream.", async () => {
  const { url, key, upstream } = await scene(wellBehaved);
  for (let i = 0; i < 2; i++) {
    await text(await responseOf(post(url, key, statelessCall("tools/call", { name: "t" }))));
  }
  const sessions = upstream.received.map(({ req }) => req.headers["mcp-session-id"]);
  expect(new Set(sessions).size).toBe(2);
  expect(sessions.every((session) => typeof session === "string" && session.length >= 26)).toBe(true);
});
