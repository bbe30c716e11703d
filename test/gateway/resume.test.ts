import { once } from "node:events";
import { expect, test, vi } from "vitest";
import { get, Reading } from "./reading.ts";
import { deferred, event, handshakeCall, post, responseOf, result, text } from "./scene.ts";
import { json, openSession, type Received } from "./scripted.ts";
import { begin, call, elicit, olderSession, progress, streaming } from "./streaming.ts";

vi.setConfig({ testTimeout: 30_000 });

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
