import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyManifest, temporaryFolder, TestGateway } from "./harness.ts";
import { listenRequest, RawStream, standing } from "./raw-stream.ts";
import { event, keep } from "./scene.ts";
import { openSession, type Received, ScriptedUpstream, wellBehaved } from "./scripted.ts";

const MIB = 1024 * 1024;

/** A server whose standing streams, of either era, say what a test tells them. */
async function speaking(era: "handshake" | "stateless") {
  const { promise, resolve } = Promise.withResolvers<Received>();
  const upstream = keep(
    await ScriptedUpstream.start((received) => {
      const { req, res, message } = received;
      const listens = message.method === "subscriptions/listen";
      if (req.method !== "GET" && !listens) return wellBehaved(received);
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.flushHeaders();
      if (listens) {
        const { notifications } = message.params!;
        const method = "notifications/subscriptions/acknowledged";
        res.write(event({ jsonrpc: "2.0", method, params: { notifications } }));
      }
      resolve(received);
    }),
  );
  const world = keep(await TestGateway.start());
  const resources = { subscribe: true };
  const url = world.publish("s", {
    address: upstream.address,
    eras: [era],
    manifest: { ...emptyManifest, capabilities: { tools: {}, resources } },
  });
  const { key } = world.key({ roles: { s: "user" } });
  return { world, url, key, stream: promise };
}

/** Opens a stream over a unix socket, whose buffers are small, and reads none of it; answers the record that it leaves. */
async function unread(
  { world, url, key }: { world: TestGateway; url: string; key: string },
  given: { method?: string; headers?: Record<string, string>; body?: string },
) {
  const socketPath = join(temporaryFolder(), "g");
  const door = createServer((req, res) => world.gateway.handle(req, res)).listen(socketPath);
  await once(door, "listening");
  keep({
    async [Symbol.asyncDispose]() {
      door.closeAllConnections();
      await new Promise((done) => door.close(done));
    },
  });
  const req = request({
    socketPath,
    path: new URL(url).pathname,
    method: given.method ?? "POST",
    headers: {
      accept: "application/json, text/event-stream",
      authorization: `Bearer ${key}`,
      ...given.headers,
    },
  });
  req.on("error", () => {});
  req.end(given.body);
  const [response] = (await once(req, "response")) as [IncomingMessage];
  response.on("error", () => {});
  return {
    record: world.record(
      ({ method, http_method }) => http_method === "GET" || method === "subscriptions/listen",
    ),
  };
}

/** Says updates of a resource, each of so many bytes. */
function say({ res }: Received, bytes: number, times: number): void {
  const params = { uri: "a://b", filling: "x".repeat(bytes) };
  const text = event({ jsonrpc: "2.0", method: "notifications/resources/updated", params });
  for (let n = 0; n < times; n++) res.write(text);
}

test("A session whose client does not read its standing stream has it ended when 2 MiB wait. [R:hub.slow-session]", async () => {
  const place = await speaking("handshake");
  const session = await openSession(place.url, place.key);
  const { record } = await unread(place, standing(session));
  say(await place.stream, 50_000, 100);
  const { response_bytes: bytes } = await record;
  expect(bytes).toBeLessThan(3 * MIB);
  expect(bytes).toBeGreaterThan(1.5 * MIB);
});

test("A stateless client that listens and does not read has its stream ended when 2 MiB wait. [R:hub.slow-listener]", async () => {
  const place = await speaking("stateless");
  const { record } = await unread(place, listenRequest({ resourceSubscriptions: ["a://b"] }));
  say(await place.stream, 50_000, 100);
  const { response_bytes: bytes } = await record;
  expect(bytes).toBeLessThan(3 * MIB);
});

test("A client that reads is told messages of any size, one after the other.", async () => {
  const place = await speaking("stateless");
  const given = listenRequest({ resourceSubscriptions: ["a://b"] });
  const stream = keep(await RawStream.open(place.url, place.key, given));
  await stream.first(1);
  for (let n = 1; n <= 3; n++) {
    say(await place.stream, 900_000, 1);
    await stream.first(1 + n);
  }
  expect(stream.ended).toBe(false);
});
