import { type IncomingMessage, request } from "node:http";
import { expect, test, vi } from "vitest";
import { emptyManifest, TestGateway } from "./harness.ts";
import { listenRequest, standing, until } from "./raw-stream.ts";
import { keep } from "./scene.ts";
import { openSession, type Received, ScriptedUpstream, wellBehaved } from "./scripted.ts";

vi.setConfig({ testTimeout: 120_000 });

const subscribe = { tools: { listChanged: true }, resources: { subscribe: true } };

test.each([
  { era: "stateless", rounds: 500 },
  { era: "handshake", rounds: 500 },
] as const)(
  "Hundreds of clients that listen and leave at any moment leave nothing behind, here or at a $era upstream. [R:hub.leaves-nothing]",
  async ({ era, rounds }) => {
    const streams = new Set<Received["res"]>();
    const upstream = keep(
      await ScriptedUpstream.start((received) => {
        const { req, res, message } = received;
        const listens = message.method === "subscriptions/listen";
        if (!listens && req.method !== "GET") return wellBehaved(received);
        streams.add(res);
        res.on("close", () => streams.delete(res));
        res.writeHead(200, { "content-type": "text/event-stream" });
        res.flushHeaders();
        const method = "notifications/subscriptions/acknowledged";
        if (listens)
          res.write(`data: ${JSON.stringify({ jsonrpc: "2.0", method, params: message.params })}\n\n`);
      }),
    );
    const world = keep(await TestGateway.start({ streamsPerPrincipal: 1000 }));
    const manifest = { ...emptyManifest, capabilities: subscribe, eras: [era] };
    const url = world.publish("s", { address: upstream.address, manifest });
    const { key } = world.key({ roles: { s: "user" } });
    const session = era === "handshake" ? await openSession(url, key) : undefined;
    const open = async (
      given: { method?: string; headers: Record<string, string>; body?: string },
      wait: number,
    ) => {
      const req = request(url, {
        method: given.method ?? "POST",
        agent: false,
        headers: { ...given.headers, accept: "text/event-stream", authorization: `Bearer ${key}` },
      });
      req.on("error", () => {});
      const closed = new Promise((done) => req.once("close", done));
      const sent = new Promise((done) => req.once("finish", done));
      const answered = new Promise<IncomingMessage>((done) => req.once("response", done));
      req.end(given.body);
      // Once it has been sent, with its head, or with what follows.
      await sent;
      if (wait > 0) {
        const response = await answered;
        response.on("error", () => {});
        if (wait > 1) await new Promise((done) => response.once("data", done));
      }
      req.destroy();
      await closed;
    };
    for (let i = 0; i < rounds; i += 25) {
      await Promise.all(
        Array.from({ length: 25 }, async (_, at) => {
          await open(
            listenRequest({ toolsListChanged: true, resourceSubscriptions: [`a://${at}`] }, at),
            at % 3,
          );
          if (session !== undefined) await open(standing(session), at % 2);
        }),
      );
    }
    // A session's own stream may still be come back to.
    const own = session === undefined ? 0 : 1;
    await until(() => streams.size <= own);
    await until(() => world.gateway.sizes.exchanges === 0);
    expect(world.gateway.sizes).toMatchObject({ open: 0, shared: 0 });
    expect(world.gateway.sizes.listeners).toBeLessThanOrEqual(own);
    expect(upstream.received.length).toBeGreaterThan(10);
  },
);
