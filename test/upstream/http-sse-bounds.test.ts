import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { Agent, type Dispatcher } from "undici";
import { ask } from "../../src/upstream/client.ts";
import type { Dial } from "../../src/upstream/dial.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bounds, closing, place, posting, request, session } from "./sse-place.ts";
import type { ScriptedSse } from "./sse-scripted.ts";

/** Leaves the next `most` messages that are posted unanswered; they leave the set as they are broken off. */
function holding(server: ScriptedSse, most = Infinity, held = () => {}): Set<ServerResponse> {
  const open = new Set<ServerResponse>();
  let count = 0;
  server.instead = (req, res) => {
    if (req.method !== "POST" || req.url === "/sse" || ++count > most) return false;
    req.resume();
    open.add(res);
    res.on("close", () => open.delete(res));
    held();
    return true;
  };
  return open;
}

test("A server that takes no answers gets a bounded number of them, and the session goes on. [R:upstream.sse-ours]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const open = holding(server, 8);
  const ping = (id: number) => server.say({ jsonrpc: "2.0", id, method: "ping" });
  for (let id = 1; id <= 100; id++) ping(id);
  await server.until(() => open.size === 8);
  await heard(server, dial, headers);
  for (const res of open) res.writeHead(202).end();
  const answered = () => server.posted.filter(({ method }) => method === undefined).map(({ id }) => id);
  await expect.poll(() => (ping(101), answered())).toContain(101);
  expect(new Set(answered())).toEqual(new Set([101]));
});

test("A message whose call was answered is not held open for as long as the server likes. [R:upstream.sse-late]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  let id = 0;
  const open = holding(server, Infinity, () => server.say({ jsonrpc: "2.0", id, result: {} }));
  for (id = 1; id <= 20; id++) await posting(dial, headers, JSON.stringify(request(id)));
  await expect.poll(() => open.size).toBe(4);
  const { origin, path } = dial;
  await dial.dispatcher.request({ origin, path, method: "DELETE", headers });
  await expect.poll(() => open.size).toBe(0);
});

test("A server that takes messages slowly gets a bounded number of them at once; what ends calls still reaches it. [R:upstream.sse-posts]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const open = holding(server, 64);
  server.take = ({ id }) => id === 64 && server.say({ jsonrpc: "2.0", id, result: {} });
  const calls = Array.from({ length: 64 }, (_, id) => posting(dial, headers, JSON.stringify(request(id))));
  await server.until(() => open.size === 64);
  const refused = await posting(dial, headers, JSON.stringify(request(64)));
  expect(refused.status).toBe(503);
  expect(refused.text).toContain("too slowly");
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } };
  expect((await posting(dial, headers, JSON.stringify(cancelled))).status).toBe(202);
  expect(server.posted.at(-1)).toEqual(cancelled);
  for (let id = 0; id < 64; id++) server.say({ jsonrpc: "2.0", id, result: {} });
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 200));
  expect((await posting(dial, headers, JSON.stringify(request(64)))).status).toBe(200);
});

/** A call whose reader takes nothing until it is told to. */
function slowly(dial: Dial, headers: Record<string, string>, id: number) {
  let controller: Dispatcher.DispatchController | undefined;
  let bytes = 0;
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<number>();
  ended.promise.catch(() => {});
  const { origin, path } = dial;
  const params = { _meta: { progressToken: id } };
  const body = JSON.stringify(request(id, "tools/call", params));
  dial.dispatcher.dispatch(
    { origin, path, method: "POST", headers, body },
    {
      onResponseStart(of) {
        controller = of;
        of.pause();
        begun.resolve();
      },
      onResponseData(_, chunk) {
        bytes += chunk.length;
      },
      onResponseEnd: () => ended.resolve(bytes),
      onResponseError: (_, error) => ended.reject(error),
    },
  );
  return { begun: begun.promise, bytes: ended.promise, resume: () => controller?.resume() };
}

/** Resolves once all that the server has said so far was heard. */
async function heard(server: ScriptedSse, dial: Dial, headers: Record<string, string>): Promise<void> {
  server.take = ({ id }) => id === "last" && server.say({ jsonrpc: "2.0", id, result: {} });
  await posting(dial, headers, JSON.stringify(request("last")));
}

const progress = (progressToken: number, message: string) => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken, progress: 1, message },
});

test("What waits for slow readers of one stream is bounded over all of them, and the others get theirs whole. [R:upstream.sse-room]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const first = slowly(dial, headers, 1);
  const second = slowly(dial, headers, 2);
  await Promise.all([first.begun, second.begun]);
  const text = "x".repeat(10 * 1024 * 1024);
  server.say(progress(1, text));
  server.say(progress(1, text));
  server.say(progress(2, text));
  server.say({ jsonrpc: "2.0", id: 2, result: {} });
  await heard(server, dial, headers);
  second.resume();
  await expect(second.bytes).rejects.toThrow("more slowly than the server sends it");
  server.say({ jsonrpc: "2.0", id: 1, result: {} });
  first.resume();
  expect(await first.bytes).toBeGreaterThan(2 * text.length);
  // Room that was left is room again.
  const third = slowly(dial, headers, 3);
  await third.begun;
  server.say(progress(3, text));
  server.say(progress(3, text));
  server.say({ jsonrpc: "2.0", id: 3, result: {} });
  third.resume();
  expect(await third.bytes).toBeGreaterThan(2 * text.length);
});

test("Small messages that wait count for what they take. [R:upstream.sse-small]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const call = slowly(dial, headers, 1);
  await call.begun;
  const one = `event: message\ndata: ${JSON.stringify(progress(1, ""))}\n\n`;
  for (const stream of server.streams) stream.write(one.repeat(80_000));
  server.say({ jsonrpc: "2.0", id: 1, result: {} });
  await heard(server, dial, headers);
  call.resume();
  await expect(call.bytes).rejects.toThrow("more slowly than the server sends it");
});

test("A server that says where it takes messages and ends its stream at once has opened no session. [R:upstream.sse-over]", async () => {
  const { server, dial } = await place();
  server.instead = (req, res) => {
    if (req.method !== "GET") return false;
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.end("event: endpoint\ndata: /messages\n\n");
    return true;
  };
  await expect(session(dial)).rejects.toThrow("ended the stream on which it answers");
  expect(server.posted).toEqual([]);
});

test("A call that was cancelled before the server took it fails, and is not posted any longer. [R:upstream.sse-untaken]", async () => {
  const { server, dial } = await place({ cancelledMs: 40 });
  const { headers } = await session(dial);
  const open = holding(server, 1);
  const call = posting(dial, headers, JSON.stringify(request(5)));
  await server.until(() => open.size === 1);
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } };
  await Promise.all([
    expect(call).rejects.toThrow("did not take the request"),
    posting(dial, headers, JSON.stringify(cancelled)),
  ]);
  await expect.poll(() => open.size).toBe(0);
});

test("What spoke to a server is given up once no stream to it was open for as long as one may be idle. [R:upstream.sse-unused]", async () => {
  const { server, plain } = await place();
  const agent = new Agent();
  const pools = createPools({ guarded: () => agent, sse: { idleMs: 50 } });
  closing(
    () => agent.destroy(),
    () => pools.close(),
  );
  const dial = pools.external("org", plain.address, "sse");
  const { headers } = await session(dial);
  const used = ask(dial, request(1), headers, bounds());
  await session(dial);
  await server.until(() => server.streams.size === 1);
  expect(pools.external("org", plain.address, "sse")).toBe(dial);
  server.say({ jsonrpc: "2.0", id: 1, result: {} });
  await used;
  await expect.poll(() => pools.external("org", plain.address, "sse") === dial).toBe(false);
  expect(server.streams.size).toBe(0);
});
