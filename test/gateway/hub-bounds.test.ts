import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { send } from "./asked.ts";
import { emptyManifest, TestGateway } from "./harness.ts";
import { listenRequest, RawStream, standing, until } from "./raw-stream.ts";
import { event, keep } from "./scene.ts";
import { json, openSession, type Received } from "./scripted.ts";

vi.setConfig({ testTimeout: 60_000 });

const content = [{ type: "text", text: "done" }];

/** A handshake server that runs elsewhere, gives sessions, keeps streams open, and notes what it was posted. */
async function elsewhere() {
  const posted: { session: string; method: string; uri: unknown }[] = [];
  const streams: ServerResponse[] = [];
  /** What a call says before its response. */
  let first: object[] = [];
  const http = createServer(async (req, res) => {
    let text = "";
    for await (const chunk of req) text += String(chunk);
    const session = String(req.headers["mcp-session-id"]);
    if (req.method === "GET") {
      res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      return void streams.push(res);
    }
    if (text === "") return void res.writeHead(204).end();
    const { id, method, params } = JSON.parse(text) as Received["message"];
    posted.push({ session, method: String(method), uri: params?.["uri"] });
    if (id === undefined) return void res.writeHead(202).end();
    if (method === "initialize") {
      res.setHeader("mcp-session-id", `session-${posted.length}`);
      const serverInfo = { name: "elsewhere", version: "1" };
      const capabilities = { resources: { subscribe: true } };
      return json(res, {
        jsonrpc: "2.0",
        id,
        result: { protocolVersion: "2025-11-25", capabilities, serverInfo },
      });
    }
    if (first.length === 0) return json(res, { jsonrpc: "2.0", id, result: { content } });
    res.writeHead(200, { "content-type": "text/event-stream" });
    for (const message of first) res.write(event({ jsonrpc: "2.0", ...message }).replace('"big"', "1e400"));
    res.end(event({ jsonrpc: "2.0", id, result: { content } }));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  keep({
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
    },
  });
  const world = keep(await TestGateway.start({ streamsPerPrincipal: 2000 }));
  const url = world.publish("s", {
    address: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    external: true,
    eras: ["handshake"],
    manifest: { ...emptyManifest, capabilities: { tools: {}, resources: { subscribe: true } } },
  });
  const { key } = world.key({ roles: { s: "user" } });
  const listen = async (uris: readonly string[]) =>
    keep(await RawStream.open(url, key, listenRequest({ resourceSubscriptions: uris })));
  /** The URIs of the messages of one method, in the order in which they were posted. */
  const of = (method: string) => posted.filter((each) => each.method === method).map(({ uri }) => uri);
  return {
    world,
    url,
    key,
    posted,
    streams,
    listen,
    of,
    says: (messages: object[]) => void (first = messages),
  };
}

test("Where a server has as many standing streams as it may, a call goes without one of its own. [R:hub.room-for-ears]", async () => {
  const { url, key, streams } = await elsewhere();
  const stand = async () => keep(await RawStream.open(url, key, standing(await openSession(url, key))));
  for (let n = 0; n < 21; n++) await Promise.all(Array.from({ length: 25 }, stand));
  await until(() => streams.length === 512);
  const { answer } = await send(url, key, { capabilities: { elicitation: { form: {} } } });
  expect((await answer).result.content).toEqual(content);
  expect(streams.length).toBe(512);
});

test("A call whose client can be asked is listened to beside, where there is room.", async () => {
  const { url, key, streams } = await elsewhere();
  const { answer } = await send(url, key, { capabilities: { elicitation: { form: {} } } });
  expect((await answer).result.content).toEqual(content);
  expect(streams.length).toBe(1);
});

test("A stateless client listens to URIs of 64 KiB at most in all. [R:hub.listen-bytes]", async () => {
  const { url, key, listen } = await elsewhere();
  const uris = (count: number) => Array.from({ length: count }, (_, n) => `a://${n}/`.padEnd(2048, "ü"));
  const stream = await listen(uris(16));
  const [acknowledged] = await stream.first(1);
  const { notifications } = acknowledged!.params as { notifications: { resourceSubscriptions: string[] } };
  expect(notifications.resourceSubscriptions).toEqual(uris(16));
  const { headers, body } = listenRequest({ resourceSubscriptions: uris(17) });
  const refused = await fetch(url, {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${key}` },
    body,
  });
  expect(refused.status).toBe(400);
  const { error } = (await refused.json()) as { error: { code: number; message: string } };
  expect(error.code).toBe(-32602);
  expect(error.message).toContain("65536 bytes");
});

test("A resource that several listen to is subscribed to once, and unsubscribed from once none does. [R:hub.subscribed-once]", async () => {
  const { listen, of } = await elsewhere();
  const one = await listen(["a://1"]);
  await one.first(1);
  const both = await listen(["a://1", "a://2"]);
  await both.first(1);
  expect(of("resources/subscribe")).toEqual(["a://1", "a://2"]);
  await both[Symbol.asyncDispose]();
  await until(() => of("resources/unsubscribe").length > 0);
  expect(of("resources/unsubscribe")).toEqual(["a://2"]);
  await (await listen(["a://1"])).first(1);
  expect(of("resources/subscribe")).toEqual(["a://1", "a://2"]);
});

test("What a session says of its subscriptions by itself is not said for it once more. [R:hub.said-once]", async () => {
  const { world, url, key, streams, of } = await elsewhere();
  const session = await openSession(url, key);
  keep(await RawStream.open(url, key, standing(session)));
  await until(() => streams.length === 1);
  const ask = async (method: string, uri: string) => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        ...standing(session).headers,
        "content-type": "application/json",
        authorization: `Bearer ${key}`,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 5, method, params: { uri } }),
    });
    expect(await response.json()).toMatchObject({ result: {} });
  };
  const { id } = world.sessions.at(-1)!;
  const subscribed = (uris: readonly string[]) =>
    until(() => (world.published.get(id)?.subscriptions ?? []).join() === uris.join());
  await ask("resources/subscribe", "a://1");
  await subscribed(["a://1"]);
  await ask("resources/subscribe", "a://2");
  await subscribed(["a://1", "a://2"]);
  await ask("resources/unsubscribe", "a://1");
  await subscribed(["a://2"]);
  // Whatever had been said for it would have come before this.
  await ask("resources/subscribe", "a://3");
  expect(of("resources/subscribe")).toEqual(["a://1", "a://2", "a://3"]);
  expect(of("resources/unsubscribe")).toEqual(["a://1"]);
});

test("An update of what is no resource's URI disturbs no call. [R:hub.no-uri]", async () => {
  const { url, key, listen, says } = await elsewhere();
  const stream = await listen(["a://1"]);
  await stream.first(1);
  const updated = (uri: unknown) => ({ method: "notifications/resources/updated", params: { uri } });
  says([updated("big"), updated("a://1")]);
  const { answer } = await send(url, key, { capabilities: {} });
  expect((await answer).result.content).toEqual(content);
  expect((await stream.first(2))[1]!.params!["uri"]).toBe("a://1");
});
