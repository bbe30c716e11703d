import { expect, test, vi } from "vitest";
import { get, Reading } from "./reading.ts";
import { handshakeCall, post, responseOf, scene, text } from "./scene.ts";
import { openSession, wellBehaved } from "./scripted.ts";

/** A GET without a session of its own is answered by nobody but the gateway. */
async function standing() {
  const made = await scene((received) => {
    if (received.req.method === "GET") received.res.writeHead(405).end();
    else wellBehaved(received);
  });
  return { ...made, session: await openSession(made.url, made.key) };
}

test("A GET opens the stream on which the server speaks first, and an end of the gateway ends it cleanly. [R:handshake-client.get-stream]", async () => {
  const { url, key, session, world } = await standing();
  const reading = await Reading.of(get(url, key, { "mcp-session-id": session }));
  expect(reading.status).toBe(200);
  expect(reading.response.headers).toMatchObject({
    "content-type": "text/event-stream",
    "x-accel-buffering": "no",
  });
  await world.gateway.close();
  await reading.over();
  expect(reading.response.complete).toBe(true);
  expect(await world.record((r) => r.http_method === "GET")).toMatchObject({
    outcome: "complete",
    http_status: 200,
    era: "handshake",
  });
});

test("A second GET of a session takes the place of the first, which ends. [R:handshake-client.one-standing-stream]", async () => {
  const { url, key, session } = await standing();
  const first = await Reading.of(get(url, key, { "mcp-session-id": session }));
  await using second = await Reading.of(get(url, key, { "mcp-session-id": session }));
  await first.over();
  expect(first.response.complete).toBe(true);
  expect(second.response.destroyed).toBe(false);
});

test.each([
  ["no event stream is accepted", { accept: "application/json" }, 406],
  ["the session is missing", { "mcp-session-id": "" }, 400],
  ["the session is unknown", { "mcp-session-id": "unknown" }, 404],
  ["the revision is not served", { "mcp-protocol-version": "2024-01-01" }, 400],
  ["the revision has no GET", { "mcp-protocol-version": "2026-07-28" }, 405],
])("A GET is refused where %s. [R:handshake-client.get-refused]", async (_, headers, status) => {
  const { url, key, session } = await standing();
  const given: Record<string, string> = { "mcp-session-id": session, ...headers };
  if (given["mcp-session-id"] === "") delete given["mcp-session-id"];
  const response = await responseOf(get(url, key, given));
  expect(response.statusCode).toBe(status);
  expect(JSON.parse(await text(response)).error.message).toBeTruthy();
});

test("Another principal's session is as unknown to a GET as one that never was. [R:handshake-client.get-refused]", async () => {
  const { url, session, world } = await standing();
  const { key } = world.key({ roles: { s: "user" } });
  const [foreign, unknown] = await Promise.all(
    [session, "unknown"].map(async (id) => responseOf(get(url, key, { "mcp-session-id": id }))),
  );
  expect(foreign!.statusCode).toBe(404);
  const told = async (response: AsyncIterable<Buffer>) =>
    (await text(response)).replace(/req_[0-9a-z]+/, "req");
  expect(await told(foreign!)).toBe(await told(unknown!));
});

test("A session that was ended with DELETE is answered 404 by every method. [R:handshake-client.delete]", async () => {
  const { url, key, session } = await standing();
  const deleted = await fetch(url, {
    method: "DELETE",
    headers: { authorization: `Bearer ${key}`, "mcp-session-id": session },
  });
  expect(deleted.status).toBe(204);
  const listening = await responseOf(get(url, key, { "mcp-session-id": session }));
  const calling = await responseOf(post(url, key, handshakeCall(session, "t")));
  expect([listening.statusCode, calling.statusCode]).toEqual([404, 404]);
  await Promise.all([text(listening), text(calling)]);
});

test("A stream on which nothing happens carries comments, so that nobody on the way gives it up. [R:handshake-client.keep-alive]", async () => {
  const { url, key } = await scene(wellBehaved, { limits: { keepAliveMs: 50 } });
  const session = await openSession(url, key);
  for (const at of [url, url.replace(/mcp$/, "sse")]) {
    await using reading = await Reading.of(get(at, key, { "mcp-session-id": session }));
    await vi.waitFor(() => {
      expect(reading.blocks.filter(({ comment }) => comment !== undefined).length).toBeGreaterThan(1);
    });
  }
});
