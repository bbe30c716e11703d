import { expect, test } from "vitest";
import { twoProcesses } from "./processes.ts";
import { get, Reading } from "./reading.ts";
import { deferred, event, handshakeCall, keep, post, responseOf, result, scene, text } from "./scene.ts";
import { openSession, type Received, wellBehaved } from "./scripted.ts";

const progress = { jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } };

/** Two gateway processes over one upstream: URLs of the same endpoint at both. */
async function two(script: (received: Received) => void | Promise<void>) {
  const made = await scene(script);
  const { addresses, a, b } = await twoProcesses(made.world, made.url);
  return { ...made, addresses, a: a.url, b: b.url };
}

const slow = (release: Promise<void>) => async (received: Received) => {
  if (received.message.method !== "tools/call") return wellBehaved(received);
  received.res.writeHead(200, { "content-type": "text/event-stream" });
  received.res.write(event(progress));
  await release;
  received.res.end(event(result));
};

test("A client comes back to a stream through any process: the one that holds it answers. [R:handshake-client.resume-anywhere]", async () => {
  const release = deferred();
  const { a, b, key, world } = await two(slow(release.promise));
  const session = await openSession(a, key);
  const first = await Reading.of(post(a, key, handshakeCall(session, "t")));
  const { id } = (await first.next())!;
  expect(id).toMatch(/^a\./);
  first.req.destroy();
  const again = await Reading.of(get(b, key, { "mcp-session-id": session, "last-event-id": id! }));
  expect(JSON.parse((await again.next())!.data!)).toEqual(progress);
  release.resolve();
  expect((await again.rest()).map(({ data }) => JSON.parse(data!))).toEqual([result]);
  await world.record((r) => r.http_method === "GET");
  expect(world.records.filter((r) => r.http_method === "GET")).toHaveLength(1);
});

test("A stream whose holder is gone ends its request with one clear error, and its session goes on. [R:handshake-client.resume-holder-gone]", async () => {
  const { a, b, key, addresses } = await two(slow(Promise.resolve()));
  const session = await openSession(a, key);
  const first = await Reading.of(post(a, key, handshakeCall(session, "t")));
  const { id } = (await first.next())!;
  await first.rest();
  addresses.delete("a");
  const again = await Reading.of(get(b, key, { "mcp-session-id": session, "last-event-id": id! }));
  expect(again.status).toBe(200);
  const events = await again.rest();
  expect(events).toHaveLength(1);
  expect(JSON.parse(events[0]!.data!)).toMatchObject({ id: 7, error: { data: { boundary: "session" } } });
  const next = await responseOf(post(b, key, handshakeCall(session, "t")));
  expect(next.statusCode).toBe(200);
  await text(next);
});

test("What a client of HTTP+SSE posts reaches its stream through any process, until the holder is gone. [R:handshake-client.http-sse-anywhere]", async () => {
  const { a, b, key, addresses, world } = await two(wellBehaved);
  const reading = keep(await Reading.of(get(a.replace(/\/mcp$/, "/sse"), key)));
  const { data } = (await reading.next())!;
  const posts = new URL(data!, b).href;
  const say = async (method: string) => {
    const params = { protocolVersion: "2024-11-05", capabilities: {}, name: "t" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method, params });
    const response = await responseOf(
      post(posts, key, { headers: { "content-type": "application/json" }, body }),
    );
    await text(response);
    return response.statusCode;
  };
  expect(await say("initialize")).toBe(202);
  expect((await reading.next())!.data).toContain("serverInfo");
  expect(await say("tools/call")).toBe(202);
  expect((await reading.next())!.data).toContain("session ");
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ transport: "sse" });
  addresses.delete("a");
  expect(await say("tools/call")).toBe(404);
});
