import { request } from "node:http";
import { expect, test } from "vitest";
import { emptyManifest, TestGateway } from "./harness.ts";
import { RawStream, standing, until } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { openSession, type Received, ScriptedUpstream, wellBehaved } from "./scripted.ts";

/** A stateless server that acknowledges what it is asked to tell only when the test says so, and a handshake client of it. */
async function silent(windowMs: number) {
  const asked: Received[] = [];
  let tells = false;
  const say = ({ res }: Received, method: string, params: unknown) =>
    res.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params })}\n\n`);
  const tell = (received: Received) =>
    say(received, "notifications/subscriptions/acknowledged", received.message.params);
  const upstream = keep(
    await ScriptedUpstream.start((received) => {
      const { res, message } = received;
      if (message.method !== "subscriptions/listen") return wellBehaved(received);
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
      asked.push(received);
      if (tells) tell(received);
    }),
  );
  const world = keep(await TestGateway.start());
  const manifest = {
    ...emptyManifest,
    capabilities: { resources: { subscribe: true } },
    eras: ["stateless"] as const,
  };
  const url = world.publish("s", { address: upstream.address, manifest, windowMs });
  const { key } = world.key({ roles: { s: "user" } });
  const session = await openSession(url, key);
  const stream = keep(await RawStream.open(url, key, standing(session)));
  const post = (id: number, uri: string) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id, method: "resources/subscribe", params: { uri } });
    const headers = {
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "mcp-session-id": session,
      "mcp-protocol-version": "2025-11-25",
    };
    return { url, body, headers };
  };
  const subscribe = async (id: number, uri: string) => {
    const { body, headers } = post(id, uri);
    const answer = await fetch(url, { method: "POST", headers, body });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const acknowledge = () => {
    tells = true;
    asked.forEach(tell);
  };
  const update = (uri: string) =>
    asked.forEach((each) => say(each, "notifications/resources/updated", { uri }));
  return { world, stream, asked, subscribe, post, acknowledge, update };
}

test("A subscription that its server never acknowledges is refused at the end of the request window, kept, and told once the server tells. [R:hub.subscribe-window]", async () => {
  const { world, stream, subscribe, acknowledge, update } = await silent(400);
  const { status, body } = await subscribe(1, "note://one");
  expect(status).toBe(504);
  expect(body).toMatchObject({ id: 1, error: { data: { boundary: "upstream" } } });
  expect(String((body["error"] as { message: string }).message)).toContain("request window of 400 ms");
  const record = await world.record(({ method, is_error }) => method === "resources/subscribe" && is_error);
  expect(record).toMatchObject({ boundary: "upstream", http_status: 504, outcome: "timeout" });

  acknowledge();
  expect((await subscribe(2, "note://one")).status).toBe(200);
  update("note://one");
  await stream.until(({ messages }) =>
    messages.some(({ method }) => method === "notifications/resources/updated"),
  );
});

test("A client that leaves while its subscription is not acknowledged leaves nothing under way. [R:hub.subscribe-left]", async () => {
  const { world, asked, post } = await silent(60_000);
  const { url, body, headers } = post(1, "note://one");
  const req = request(url, { method: "POST", headers, agent: false });
  req.on("error", () => {});
  req.end(body);
  await until(() => asked.length === 1 && world.gateway.sizes.waiting === 1);
  req.destroy();
  const record = await world.record(({ method }) => method === "resources/subscribe");
  expect(record).toMatchObject({ outcome: "client_gone" });
  // The session's stream alone.
  await until(() => world.gateway.sizes.exchanges === 1);
  expect(world.gateway.sizes.waiting).toBe(0);
});
