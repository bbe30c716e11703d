import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { expect, test, vi } from "vitest";
import { TestGateway } from "./harness.ts";
import { Reading } from "./reading.ts";
import { deferred, event, handshakeCall, keep, post, responseOf, result, scene, text } from "./scene.ts";
import { json, openSession, type Received, statelessCall, wellBehaved } from "./scripted.ts";

/** A server of the official SDK whose tool lets its stream go while it works, and gives its answer to whoever asks again. */
async function pollingServer() {
  const asked: string[] = [];
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new InMemoryEventStore(),
    retryInterval: 50,
  });
  const server = new McpServer({ name: "polling", version: "1" });
  const again = Promise.withResolvers<void>();
  server.registerTool("work", {}, async (extra) => {
    extra.closeSSEStream?.();
    await again.promise;
    return { content: [{ type: "text", text: "worked" }] };
  });
  await server.connect(transport as Parameters<McpServer["connect"]>[0]);
  const http = createServer((req, res) => {
    const last = req.headers["last-event-id"];
    if (req.method === "GET" && last !== undefined) {
      asked.push(String(last));
      again.resolve();
    }
    void transport.handleRequest(req, res);
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    asked,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      await server.close();
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
    },
  };
}

test("A real server that lets its stream go while it works is asked again, and its client gets the answer. [R:handshake-client.upstream-polling-sdk]", async () => {
  const upstream = keep(await pollingServer());
  const world = keep(await TestGateway.start());
  const url = world.publish("polling", { address: upstream.url, external: true, eras: ["handshake"] });
  const { key } = world.key({ roles: { polling: "user" } });
  const client = new Client({ name: "sdk-1", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
  // The SDK's transport type is not written for exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  expect(await client.callTool({ name: "work", arguments: {} })).toMatchObject({
    content: [{ type: "text", text: "worked" }],
  });
  expect(upstream.asked).toHaveLength(1);
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ outcome: "complete" });
  await client.close();
});

test("An upstream that lets its stream go is asked to go on with it, and the client notices nothing. [R:handshake-client.upstream-polling]", async () => {
  const { url, key, upstream, world } = await scene(({ req, res, message }) => {
    const last = req.headers["last-event-id"];
    if (message.method !== "tools/call" && last === undefined)
      return wellBehaved({ req, res, message } as Received);
    res.writeHead(200, { "content-type": "text/event-stream" });
    if (last === undefined) res.end("id: a-0\nretry: 60\ndata:\n\n");
    else if (last === "a-0") {
      res.end(
        `id: a-1\ndata: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: {} })}\n\n`,
      );
    } else res.end(`id: a-2\ndata: ${JSON.stringify(result)}\n\n`);
  });
  const session = await openSession(url, key);
  const response = await responseOf(post(url, key, handshakeCall(session, "t")));
  const body = await text(response);
  expect(body).toContain("notifications/progress");
  expect(body).toContain('"result"');
  expect(body).not.toContain("a-0");
  const asked = upstream.received.filter(({ req }) => req.method === "GET");
  expect(asked.map(({ req }) => req.headers["last-event-id"])).toEqual(["a-0", "a-1"]);
  for (const { req } of asked) {
    expect(req.headers.accept).toBe("text/event-stream");
    expect(req.headers["mcp-session-id"]).toBe(upstream.received.at(1)!.req.headers["mcp-session-id"]);
  }
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ outcome: "complete" });
});

test.each([
  ["a stateless", statelessCall("tools/call", { name: "t" })],
  ["a handshake", undefined],
])(
  "An event stream that ends without a response is an error for %s client, and no complete call in the record. [R:handshake-client.upstream-unanswered]",
  async (_, stateless) => {
    const { url, key, world } = await scene((received) => {
      if (received.message.method !== "tools/call") return wellBehaved(received);
      received.res.writeHead(200, { "content-type": "text/event-stream" });
      received.res.end(event({ jsonrpc: "2.0", method: "notifications/progress", params: {} }));
    });
    const given = stateless ?? handshakeCall(await openSession(url, key), "t");
    const response = await responseOf(post(url, key, given));
    const last = (await text(response)).trim().split("data: ").at(-1)!;
    expect(JSON.parse(last)).toMatchObject({ id: 7, error: { data: { boundary: "upstream" } } });
    expect(await world.record((r) => r.method === "tools/call")).toMatchObject({
      outcome: "upstream_gone",
      boundary: "upstream",
      is_error: true,
    });
  },
);

test("An upstream that does not go on with the stream that it let go is told to the client. [R:handshake-client.upstream-polling]", async () => {
  const { url, key, world, upstream } = await scene((received) => {
    const { req, res, message } = received;
    if (req.method === "GET") return json(res, { error: "no" }, 405);
    if (message.method !== "tools/call") return wellBehaved(received);
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.end("id: a-0\nretry: 60\ndata:\n\n");
  });
  const session = await openSession(url, key);
  const response = await responseOf(post(url, key, handshakeCall(session, "t")));
  expect(await text(response)).toContain("HTTP 405");
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({
    outcome: "upstream_gone",
    boundary: "upstream",
  });
  expect(upstream.received.filter(({ req }) => req.method === "GET")).toHaveLength(1);
});

test("An upstream that is asked again and again is asked within the request window only. [R:handshake-client.upstream-polling]", async () => {
  const { url, key, world } = await scene(
    (received) => {
      const { req, res, message } = received;
      if (req.method !== "GET" && message.method !== "tools/call") return wellBehaved(received);
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end("id: a-0\nretry: 60\ndata:\n\n");
    },
    { windowMs: 400 },
  );
  const session = await openSession(url, key);
  const response = await responseOf(post(url, key, handshakeCall(session, "t")));
  expect(await text(response)).toContain("400 ms");
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ outcome: "timeout" });
});

test("A stateless client of a handshake server that lets its stream go notices nothing either. [R:handshake-client.upstream-polling]", async () => {
  const { upstream, world } = await scene(({ req, res, message }) => {
    const last = req.headers["last-event-id"];
    if (message.method !== "tools/call" && last === undefined)
      return wellBehaved({ req, res, message } as Received);
    res.writeHead(200, { "content-type": "text/event-stream" });
    if (last === undefined) res.end("id: a-0\nretry: 60\ndata:\n\n");
    else res.end(`id: a-1\ndata: ${JSON.stringify(result)}\n\n`);
  });
  const url = world.publish("old", { address: upstream.address, eras: ["handshake"] });
  const { key } = world.key({ roles: { old: "user" } });
  const response = await responseOf(post(url, key, statelessCall("tools/call", { name: "t" })));
  expect(JSON.parse(await text(response))).toMatchObject({ id: 7, result: { resultType: "complete" } });
  expect(upstream.received.some(({ req }) => req.headers["last-event-id"] === "a-0")).toBe(true);
});

test("A stream that only passes by carries comments while it rests, between its events and never within one. [R:handshake-client.keep-alive-passing]", async () => {
  const release = deferred();
  const told = event({ jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } });
  const { url, key } = await scene(
    async ({ res, message }) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      const half = message.params!["which"] === "half";
      res.write(half ? told.slice(0, 40) : told);
      await release.promise;
      res.end((half ? told.slice(40) : "") + event(result));
    },
    { limits: { keepAliveMs: 100 } },
  );
  const call = async (which: string) =>
    Reading.of(post(url, key, statelessCall("completion/complete", { which })));
  const [whole, half] = [await call("whole"), await call("half")];
  const comments = (reading: Reading) => reading.blocks.filter(({ comment }) => comment !== undefined);
  await vi.waitFor(() => expect(comments(whole).length).toBeGreaterThan(2), 10_000);
  release.resolve();
  for (const reading of [whole, half]) {
    const messages = (await reading.rest()).map(({ data }) => JSON.parse(data!));
    expect(messages).toMatchObject([{ params: { progress: 1 } }, result]);
  }
});

test.each(["the request", "the question for the rest"])(
  "An upstream that holds the answer to %s open after its response is let go. [R:handshake-client.upstream-let-go]",
  async (held) => {
    const closed = deferred();
    const script = (received: Received) => {
      const { req, res, message } = received;
      if (req.method !== "GET" && message.method !== "tools/call") return wellBehaved(received);
      res.writeHead(200, { "content-type": "text/event-stream" });
      if (held !== "the request" && req.method !== "GET")
        return void res.end("id: a-0\nretry: 10\ndata:\n\n");
      res.on("close", () => closed.resolve());
      res.write(`id: a-1\n${event(result)}`);
    };
    const { url, key, world } = await scene(script, { windowMs: 300_000 });
    const session = await openSession(url, key);
    const response = await responseOf(post(url, key, handshakeCall(session, "t")));
    expect(await text(response)).toContain('"result"');
    await closed.promise;
    expect(await world.record((r) => r.method === "tools/call")).toMatchObject({
      outcome: "complete",
      http_status: 200,
    });
  },
);
