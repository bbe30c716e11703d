import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import type { Manifest } from "../../src/mcp/manifest.ts";
import { TestGateway } from "./harness.ts";
import { listenRequest, RawStream, standing, until } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { openSession } from "./scripted.ts";
import { methods } from "./telling.ts";

vi.setConfig({ testTimeout: 60_000 });

interface Get {
  readonly headers: IncomingMessage["headers"];
  say(message: object, id?: string): void;
  breakOff(): void;
  closed(): boolean;
}

/** A server elsewhere, of the handshake era, that names its sessions itself. */
async function speakingElsewhere(given: { headLate?: boolean } = {}) {
  const gets: Get[] = [];
  const asked: { session: string | undefined; method: string; uri?: unknown }[] = [];
  let sessions = 0;
  const server = createServer(async (req, res) => {
    let text = "";
    for await (const chunk of req) text += chunk;
    const session = req.headers["mcp-session-id"] as string | undefined;
    if (req.method === "GET") {
      res.writeHead(200, { "content-type": "text/event-stream" });
      if (given.headLate !== true) res.flushHeaders();
      return void gets.push({
        headers: req.headers,
        say: (message, id) => {
          const event = id === undefined ? "" : `id: ${id}\n`;
          res.write(`${event}data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
        },
        breakOff: () => res.destroy(),
        closed: () => res.closed,
      });
    }
    const message =
      text === "" ? {} : (JSON.parse(text) as { id?: unknown; method?: string; params?: { uri?: unknown } });
    asked.push({ session, method: message.method ?? req.method!, uri: message.params?.uri });
    if (message.id === undefined) return void res.writeHead(202).end();
    const opens = message.method === "initialize";
    const result = opens
      ? {
          protocolVersion: "2025-11-25",
          capabilities: { tools: {}, resources: { subscribe: true } },
          serverInfo: { name: "e", version: "1" },
        }
      : {};
    res.writeHead(200, {
      "content-type": "application/json",
      ...(opens ? { "mcp-session-id": `elsewhere-${++sessions}` } : {}),
    });
    res.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  keep({
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  });
  const manifest: Manifest = {
    serverInfo: { name: "e", version: "1" },
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
    eras: ["handshake"],
    items: [],
  };
  const world = keep(await TestGateway.start());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const url = world.publish("s", { address, external: true, manifest });
  const { key } = world.key({ roles: { s: "user" } });
  return { world, url, key, gets, asked };
}

test("For a stateless client of a handshake server elsewhere, the gateway listens in a session of its own, and ends it. [R:hub.elsewhere-session]", async () => {
  const { url, key, gets, asked } = await speakingElsewhere();
  const filter = { toolsListChanged: true, resourceSubscriptions: ["a://b"] };
  const stream = keep(await RawStream.open(url, key, listenRequest(filter)));
  await stream.first(1);
  expect(gets[0]!.headers).toMatchObject({
    "mcp-session-id": "elsewhere-1",
    "mcp-protocol-version": "2025-11-25",
  });
  expect(gets[0]!.headers.authorization).toBeUndefined();
  expect(asked.find(({ method }) => method === "resources/subscribe")).toMatchObject({
    session: "elsewhere-1",
    uri: "a://b",
  });
  gets[0]!.say({ id: 1, method: "ping" });
  gets[0]!.say({ method: methods.updated, params: { uri: "a://other" } });
  gets[0]!.say({ method: methods.updated, params: { uri: "a://b" } });
  const [, told] = await stream.first(2);
  expect(told!.params).toMatchObject({ uri: "a://b" });
  await stream[Symbol.asyncDispose]();
  await until(() => gets[0]!.closed());
  await until(() => asked.some(({ session, method }) => method === "DELETE" && session === "elsewhere-1"));
});

test("A stream that a server elsewhere breaks off is opened again, and what it is subscribed to is said again. [R:hub.elsewhere-again]", async () => {
  const { url, key, gets, asked } = await speakingElsewhere();
  const stream = keep(await RawStream.open(url, key, listenRequest({ resourceSubscriptions: ["a://b"] })));
  await stream.first(1);
  gets[0]!.breakOff();
  await until(() => gets.length === 2);
  await until(() => asked.filter(({ method }) => method === "resources/subscribe").length === 2);
  gets[1]!.say({ method: methods.updated, params: { uri: "a://b" } });
  const [, told] = await stream.first(2);
  expect(told!.method).toBe(methods.updated);
});

test("A session's own stream elsewhere goes on from its last event when it is broken off. [R:hub.elsewhere-resumes]", async () => {
  const { url, key, gets } = await speakingElsewhere();
  const session = await openSession(url, key);
  const stream = keep(await RawStream.open(url, key, standing(session)));
  await until(() => gets.length === 1);
  expect(gets[0]!.headers["mcp-session-id"]).toBe("elsewhere-1");
  gets[0]!.say({ method: methods.tools }, "event-9");
  await stream.first(1);
  gets[0]!.breakOff();
  await until(() => gets.length === 2);
  expect(gets[1]!.headers["last-event-id"]).toBe("event-9");
  gets[1]!.say({ method: methods.prompts });
  await stream.first(2);
});

test("A server elsewhere that says that its lists have changed is asked anew what it offers. [R:hub.elsewhere-asked]", async () => {
  const { world, url, key, gets } = await speakingElsewhere();
  const stream = keep(await RawStream.open(url, key, listenRequest({ toolsListChanged: true })));
  await stream.first(1);
  gets[0]!.say({ method: methods.tools });
  const [, told] = await stream.first(2);
  expect(told!.method).toBe(methods.tools);
  expect(world.doubted).toEqual(["srv_acme_s"]);
});

test("A server elsewhere that sends the head of its stream with the first event is subscribed to and heard all the same. [R:hub.elsewhere-late]", async () => {
  const { url, key, gets, asked } = await speakingElsewhere({ headLate: true });
  const stream = keep(await RawStream.open(url, key, listenRequest({ resourceSubscriptions: ["a://b"] })));
  await stream.first(1);
  expect(asked.map(({ method }) => method)).toContain("resources/subscribe");
  gets[0]!.say({ method: methods.updated, params: { uri: "a://b" } });
  const [, told] = await stream.first(2);
  expect(told!.params).toMatchObject({ uri: "a://b" });
});
