import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { temporaryFolder } from "./harness.ts";
import { get, Reading } from "./reading.ts";
import { deferred, event, post, result } from "./scene.ts";
import { openSession, type Received } from "./scripted.ts";
import { begin, call, elicit, progress, streaming } from "./streaming.ts";

vi.setConfig({ testTimeout: 30_000 });

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

test("The streams of one principal have a share of what is held, and push out nobody else's. [R:handshake-client.replay-shared]", async () => {
  const made = await streaming(large, { replayPrincipalBytes: 5_000 });
  const { key } = made.world.key({ roles: { s: "user" } });
  const theirs = await ended({ ...made, key, session: await openSession(made.url, key) });
  const [first, second, third] = [await ended(made), await ended(made), await ended(made)];
  expect((await first!.again()).at(-1)!.data).toContain("not held any more");
  for (const { again } of [theirs, second!, third!]) expect((await again()).at(-1)!.data).toContain("xxx");
});

test("The streams of one organization have a share of what is held, whoever in it left them, and push out no other's. [R:handshake-client.replay-organization]", async () => {
  const made = await streaming(large, { replayOrganizationBytes: 5_000 });
  const { world, upstream } = made;
  const url = world.publish("s", { address: upstream.address, organization: "rival" });
  const rival = world.key({ roles: { s: "user" }, organization: "rival" });
  const theirs = await ended({ ...made, url, key: rival.key, session: await openSession(url, rival.key) });
  const colleague = async () => {
    const { key } = world.key({ roles: { s: "user" } });
    return ended({ ...made, key, session: await openSession(made.url, key) });
  };
  const [first, second, third] = [await colleague(), await colleague(), await colleague()];
  expect((await first.again()).at(-1)!.data).toContain("not held any more");
  for (const { again } of [theirs, second, third]) expect((await again()).at(-1)!.data).toContain("xxx");
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
