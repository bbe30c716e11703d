import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, test } from "vitest";
import { Exchange } from "../../src/gateway/exchange/exchange.ts";
import { sendTogether } from "../../src/gateway/exchange/outbox.ts";
import type { RequestRecord } from "../../src/gateway/ports.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { reads } from "./reading.ts";
import { deferred, event, handshakeCall, keep, post, responseOf, scene, text } from "./scene.ts";
import { json, openSession, type Received, statelessCall, wellBehaved } from "./scripted.ts";

const plain = { jsonrpc: "2.0", id: 7, result: { content: [{ type: "text", text: "Größe: 5 €" }] } };
const failed = { jsonrpc: "2.0", id: 7, result: { content: [], isError: true } };
const refused = { jsonrpc: "2.0", id: 7, error: { code: -32000, message: "Größe „5 €“ ist zu groß" } };

/** Answers calls with an event stream: what `tell` writes of it. */
const telling =
  (tell: (res: Received["res"]) => void) =>
  (received: Received): void => {
    if (received.message.method !== "tools/call") return wellBehaved(received);
    received.res.writeHead(200, { "content-type": "text/event-stream" });
    tell(received.res);
  };

/** A call of a client of each era, in the form in which it is posted. */
const eras = ["stateless", "handshake"] as const;
async function callOf(era: (typeof eras)[number], url: string, key: string) {
  const call =
    era === "stateless"
      ? statelessCall("tools/call", { name: "t", arguments: {} })
      : handshakeCall(await openSession(url, key), "t");
  return { ...call, headers: { ...call.headers, ...reads } };
}

test.each(
  eras.flatMap((era) => [
    { era, kind: "result", message: plain },
    { era, kind: "failure", message: failed },
  ]),
)(
  "A $kind that came whole reaches a $era client, and is recorded so, though the upstream breaks off right after it. [R:messages.whole]",
  async ({ era, message }) => {
    const broken = deferred();
    const { url, key, world } = await scene(
      telling((res) => {
        res.write(event(message), () => res.socket!.destroy());
        res.on("close", () => broken.resolve());
      }),
    );
    const response = await responseOf(post(url, key, await callOf(era, url, key)));
    expect(await text(response)).toBe(event(message));
    await broken.promise;
    const record = await world.record((r) => r.method === "tools/call");
    expect(record).toMatchObject({
      outcome: "complete",
      boundary: null,
      error: null,
      http_status: 200,
      is_error: message === failed,
      stream_events: 1,
      response_bytes: Buffer.byteLength(event(message)),
    });
  },
);

test.each(eras)("What a server says after its response does not reach a %s client.", async (era) => {
  const { url, key, world } = await scene(
    telling((res) => {
      res.write(event(plain), () => {
        res.end(event({ jsonrpc: "2.0", method: "notifications/message", params: { data: "late" } }));
      });
    }),
  );
  const response = await responseOf(post(url, key, await callOf(era, url, key)));
  expect(await text(response)).toBe(event(plain));
  const record = await world.record((r) => r.method === "tools/call");
  expect(record).toMatchObject({ outcome: "complete", stream_events: 1 });
});

test("A client that is gone when its whole answer comes is recorded as gone.", async () => {
  const called = deferred();
  const release = deferred();
  const { url, key, world } = await scene(
    telling(async (res) => {
      called.resolve();
      await release.promise;
      res.end(event(plain));
    }),
  );
  const call = await callOf("handshake", url, key);
  const sockets: Socket[] = [];
  world.server.on("connection", (socket) => sockets.push(socket));
  const leaving = post(url, key, { ...call, headers: { ...call.headers, connection: "close" } });
  await called.promise;
  const seen = once(sockets.at(-1)!, "close");
  leaving.destroy();
  await seen;
  release.resolve();
  expect(await world.record((r) => r.method === "tools/call")).toMatchObject({ outcome: "client_gone" });
});

test("A client that leaves in the moment in which its whole answer is sent is recorded as gone.", async () => {
  const written = Promise.withResolvers<RequestRecord>();
  const server = createServer((req, res) => {
    const records = { write: (record: RequestRecord) => written.resolve(record) };
    const x = new Exchange(req, res, systemClock, records, () => {});
    sendTogether(x, "{}");
    req.socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  keep({
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  });
  const client = request({ port: (server.address() as AddressInfo).port });
  const lost = once(client, "error");
  client.end();
  await lost;
  expect((await written.promise).outcome).toBe("client_gone");
});

test.each(eras)(
  "What a server says in any language is passed on and recorded as it was said, to a %s client. [R:messages.words]",
  async (era) => {
    const answers = [
      (res: Received["res"]) => json(res, refused),
      (res: Received["res"]) =>
        res.writeHead(200, { "content-type": "text/event-stream" }).end(event(refused)),
    ];
    const { url, key, world } = await scene((received) => {
      if (received.message.method !== "tools/call") return wellBehaved(received);
      answers.shift()!(received.res);
    });
    for (const form of ["json", "events"]) {
      world.records.length = 0;
      const response = await responseOf(post(url, key, await callOf(era, url, key)));
      const said = await text(response);
      expect(said).toBe(form === "json" ? JSON.stringify(refused) : event(refused));
      const record = await world.record((r) => r.method === "tools/call");
      expect(record).toMatchObject({ is_error: true, jsonrpc_code: -32000, error: refused.error.message });
    }
  },
);
