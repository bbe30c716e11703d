import { expect, test } from "vitest";
import { Agent } from "undici";
import { ask } from "../../src/upstream/client.ts";
import { discover } from "../../src/upstream/discover.ts";
import { openSession } from "../../src/upstream/handshake.ts";
import type { Dial } from "../../src/upstream/dial.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { bounds, hello, place, posting, request, session } from "./sse-place.ts";
import { type Posted, type ScriptedSse } from "./sse-scripted.ts";

/** What is told on a session's standing stream until it ends. */
async function listening(dial: Dial, headers: Record<string, string>): Promise<string> {
  const { origin, path } = dial;
  const { body } = await dial.dispatcher.request({ origin, path, method: "GET", headers });
  return body.text();
}

const answersCalls =
  (server: ScriptedSse) =>
  ({ id, method }: Posted) => {
    if (method === "tools/call") server.say({ jsonrpc: "2.0", id, result: {} });
  };

/** How many calls have reached it. */
const calling = (server: ScriptedSse) => server.posted.filter(({ method }) => method === "tools/call").length;

test("A server that takes `initialize` with no POST, and whose GET begins with an `endpoint` event, speaks HTTP+SSE. [R:upstream.sse-detected]", async () => {
  const { server, plain } = await place();
  expect(await discover(plain)).toMatchObject({
    eras: ["handshake"],
    transport: "sse",
    serverInfo: { name: "scripted" },
  });
  // What was opened to ask is closed.
  await server.until(() => server.streams.size === 0);
});

test("A stream that begins with another event, and an answer that is none, are not those of HTTP+SSE.", async () => {
  const { server, plain } = await place();
  server.first = "message";
  await expect(discover(plain)).rejects.toThrow("neither `server/discover` nor `initialize`");
  server.instead = (_, res) => {
    res.writeHead(404, { "content-type": "text/html" }).end("<html>");
    return true;
  };
  await expect(discover(plain)).rejects.toThrow("neither `server/discover` nor `initialize`");
});

test("A server that has no answer for the GET is no evidence, and one that wants credentials is told so.", async () => {
  const { server, plain } = await place();
  let status = 503;
  server.instead = (req, res) => {
    if (req.method === "GET") res.writeHead(status).end();
    return req.method === "GET";
  };
  await expect(discover(plain)).rejects.toThrow("HTTP 503");
  status = 401;
  await expect(discover(plain)).rejects.toThrow("wants credentials");
});

test.each(["http://127.0.0.1:9/messages", "//127.0.0.1:9/messages", "https://example.com/messages"])(
  "Messages are never posted to another origin than the stream's: %s [R:upstream.sse-origin]",
  async (endpoint) => {
    const { server, plain } = await place();
    server.endpoint = endpoint;
    await expect(discover(plain)).rejects.toThrow(
      `to another origin (${new URL(endpoint, server.url).origin}) than its stream's (${server.origin})`,
    );
    expect(server.posted).toEqual([]);
    await server.until(() => server.streams.size === 0);
  },
);

test("A session that is not open here is 404, and nothing is sent. [R:upstream.sse-unknown]", async () => {
  const { server, dial } = await place();
  for (const method of ["POST", "GET", "DELETE"] as const) {
    const { statusCode, body } = await dial.dispatcher.request({
      origin: dial.origin,
      path: dial.path,
      method,
      headers: { "mcp-session-id": `here.${"0".repeat(26)}` },
      ...(method === "POST" ? { body: JSON.stringify(request(1)) } : {}),
    });
    await body.dump();
    expect(statusCode).toBe(404);
  }
  expect(server.posted).toEqual([]);
});

test("Messages pass as they were written, in both directions. [R:upstream.sse-unread]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  server.take = () => server.say('{"jsonrpc":"2.0",\n"id":7,\n"result":{"n":12345678901234567890, "m":1.0}}');
  const text = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"n":98765432109876543210}}';
  const answer = await posting(dial, headers, text);
  expect(server.texts.at(-1)).toBe(text);
  expect(answer.text).toBe(
    'event: message\ndata: {"jsonrpc":"2.0", "id":7, "result":{"n":12345678901234567890, "m":1.0}}\n\n',
  );
});

test("Each request is answered on its own, whichever is answered first; one whose id is under way is refused. [R:upstream.sse-ids]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const first = ask(dial, request(1), headers, bounds());
  const second = ask(dial, request("1"), headers, bounds());
  await server.until(() => server.posted.filter(({ method }) => method === "tools/call").length === 2);
  expect((await posting(dial, headers, JSON.stringify(request(1)))).status).toBe(400);
  server.say({ jsonrpc: "2.0", id: "1", result: { of: "text" } });
  server.say({ jsonrpc: "2.0", id: 1, result: { of: "number" } });
  expect((await first).response).toMatchObject({ result: { of: "number" } });
  expect((await second).response).toMatchObject({ result: { of: "text" } });
});

test("What a server asks where nobody listens is answered: a ping, and everything else with an error. [R:upstream.sse-unheard]", async () => {
  const { server, dial } = await place();
  await session(dial);
  server.say({ jsonrpc: "2.0", id: 1, method: "ping" });
  server.say({ jsonrpc: "2.0", id: 2, method: "roots/list" });
  await server.until(() => server.posted.filter(({ method }) => method === undefined).length === 2);
  expect(server.posted.find(({ id, method }) => id === 1 && method === undefined)).toMatchObject({
    result: {},
  });
  expect(server.posted.find(({ id, method }) => id === 2 && method === undefined)).toMatchObject({
    error: { code: -32601 },
  });
});

test("A message that the server refuses with 404 is not said to be lost unsent, and its session is over. [R:upstream.sse-refused]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  server.status = 404;
  const refused = await posting(dial, headers, JSON.stringify(request(1)));
  expect(refused.status).toBe(502);
  expect(refused.text).toContain("HTTP 404");
  await server.until(() => server.streams.size === 0);
  expect((await posting(dial, headers, JSON.stringify(request(2)))).status).toBe(404);
});

test("A message that is larger than any may be ends the stream, and its calls with it. [R:upstream.sse-bytes]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  server.take = ({ id }) =>
    server.say({ jsonrpc: "2.0", id, result: { text: "x".repeat(16 * 1024 * 1024) } });
  await expect(posting(dial, headers, JSON.stringify(request(1)))).rejects.toThrow("larger than");
  await server.until(() => server.streams.size === 0);
});

test("One server gets a bounded number of streams; where all are in use, another one is refused in words. [R:upstream.sse-streams]", async () => {
  const { server, dial } = await place({ lines: 2 });
  const sessions = [await session(dial), await session(dial)];
  const calls = sessions.map(({ headers }, i) => ask(dial, request(i), headers, bounds()));
  await server.until(() => calling(server) === 2);
  await expect(session(dial)).rejects.toThrow("2 streams to this server are in use");
  expect(server.streams.size).toBe(2);
  for (const id of [0, 1]) server.say({ jsonrpc: "2.0", id, result: {} });
  await Promise.all(calls);
});

test("A stream past the bound takes the place of the one that was idle for longest, whose session is 404 then. [R:upstream.sse-replaced]", async () => {
  const { server, dial } = await place({ lines: 2 });
  const [first, second] = [await session(dial), await session(dial)];
  server.take = answersCalls(server);
  await ask(dial, request(1), first.headers, bounds());
  const third = await session(dial);
  await server.until(() => server.streams.size === 2);
  const status = async ({ headers }: typeof first) =>
    (await posting(dial, headers, JSON.stringify(request(2)))).status;
  expect([await status(first), await status(second), await status(third)]).toEqual([200, 404, 200]);
});

test("A stream that somebody listens to is replaced only where none is idle, and where it had no request for long. [R:upstream.sse-replaced-listened]", async () => {
  const { server, dial } = await place({ lines: 2, listenedMs: 0 });
  const first = await session(dial);
  const ended = listening(dial, first.headers);
  server.take = answersCalls(server);
  const second = await session(dial);
  const third = await session(dial);
  expect((await posting(dial, second.headers, JSON.stringify(request(1)))).status).toBe(404);
  const all = listening(dial, third.headers);
  await session(dial);
  expect(await ended).toBe("");
  await server.until(() => server.streams.size === 2);
  await dial.dispatcher.close();
  await all;

  const busy = await place({ lines: 1 });
  const heard = listening(busy.dial, (await session(busy.dial)).headers);
  await expect(session(busy.dial)).rejects.toThrow("1 streams to this server are in use");
  await busy.dial.dispatcher.close();
  await heard;
});

const log = (data: string) => ({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data },
});

test("A log message is told to the one call that is under way; with several, to who listens to the session, and else to nobody. [R:upstream.sse-logs]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const done = (id: number) => server.say({ jsonrpc: "2.0", id, result: {} });
  const call = (id: number, method = "tools/call") =>
    posting(dial, headers, JSON.stringify(request(id, method)));
  const several = [call(1), call(2, "completion/complete")];
  await server.until(() => server.posted.length >= 4);
  server.say(log("of one of them"));
  done(1);
  expect((await several[0]!).text).not.toContain("of one of them");
  server.say(log("of the second"));
  done(2);
  expect((await several[1]!).text).toContain("of the second");
  expect((await several[1]!).text).not.toContain("of one of them");

  const listened = listening(dial, headers);
  const more = [call(3), call(4)];
  await server.until(() => server.posted.length >= 6);
  server.say(log("to the listener"));
  done(3);
  done(4);
  for (const each of more) expect((await each).text).not.toContain("to the listener");
  await dial.dispatcher.close();
  expect(await listened).toContain("to the listener");
});

test("A stream on which nothing is under way is closed after its time, and one that is in use is not. [R:upstream.sse-idle]", async () => {
  const { server, dial } = await place({ idleMs: 50 });
  const { headers } = await session(dial);
  const used = ask(dial, request(1), headers, bounds());
  await session(dial);
  await server.until(() => server.streams.size === 1);
  server.say({ jsonrpc: "2.0", id: 1, result: {} });
  expect((await used).response).toMatchObject({ id: 1 });
  await server.until(() => server.streams.size === 0);
});

test("A call that was cancelled and is never answered is let go. [R:upstream.sse-let-go]", async () => {
  const { server, dial } = await place({ cancelledMs: 40 });
  const { headers } = await session(dial);
  const call = posting(dial, headers, JSON.stringify(request(5)));
  await server.until(() => server.posted.some(({ method }) => method === "tools/call"));
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } };
  expect((await posting(dial, headers, JSON.stringify(cancelled))).status).toBe(202);
  expect(await call).toEqual({ status: 200, text: "" });
  expect(server.posted.at(-1)).toEqual(cancelled);
});

test("A session that its client ends is ended at the server: its stream is closed. [R:upstream.sse-ended]", async () => {
  const { server, dial } = await place();
  const { headers } = await session(dial);
  const { origin, path } = dial;
  const { statusCode } = await dial.dispatcher.request({ origin, path, method: "DELETE", headers });
  expect(statusCode).toBe(204);
  await server.until(() => server.streams.size === 0);
});

test("A session for which nobody waits any more leaves no stream, and neither does the gateway's end. [R:upstream.sse-left]", async () => {
  const { server, plain, dial } = await place();
  const stop = new AbortController();
  server.instead = (req) => {
    if (req.method === "POST") stop.abort();
    return req.method === "POST";
  };
  const opening = openSession(dial, hello, {}, { ...bounds(), signal: stop.signal });
  await expect(opening).rejects.toThrow("did not answer in time");
  await server.until(() => server.streams.size === 0);

  server.instead = undefined;
  const agent = new Agent();
  const pools = createPools({ guarded: () => agent });
  const held = pools.external("org", plain.address, "sse");
  await session(held);
  await session(held);
  expect(pools.external("org", plain.address, "sse")).toBe(held);
  expect(server.streams.size).toBe(2);
  await pools.close();
  await server.until(() => server.streams.size === 0);
  await agent.destroy();
});
