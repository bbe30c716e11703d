import { once } from "node:events";
import { createServer } from "node:http";
import { Agent } from "undici";
import { expect, test } from "vitest";
import { Exchange } from "../../src/gateway/exchange.ts";
import { HeldSessions } from "../../src/gateway/held-sessions.ts";
import { Leases } from "../../src/gateway/leases.ts";
import type { Turn } from "../../src/gateway/turn.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Endpoint } from "../../src/snapshot/snapshot.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { emptyManifest } from "./harness.ts";
import { keep } from "./scene.ts";

/** Held sessions at a real server, and a turn of somebody's to take them for. */
async function holding(idleMs: number) {
  const server = keep(await SdkServer.start());
  const agent = new Agent();
  const pools = createPools({ guarded: () => agent });
  const instances = { acquire: () => Promise.reject(new Error("none is hosted")) };
  const leases = new Leases(instances, pools, systemClock, 60_000);
  const held = new HeldSessions({ leases, credentials: { headers: () => ({}) }, clock: systemClock }, idleMs);
  const endpoint: Endpoint = {
    id: "dep_1",
    organization: { id: "org_1", slug: "acme" },
    server: { id: "srv_1", slug: "s", kind: "external" },
    deployment: "live",
    upstream: { kind: "external", organization: "org_1", server: "srv_1", url: server.url },
    manifest: emptyManifest,
    eras: ["handshake"],
    virtualSessions: false,
    requestWindowMs: 20_000,
  };
  const http = createServer();
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address() as { port: number };
  const asking = fetch(`http://127.0.0.1:${address.port}/`);
  const [req, res] = await once(http, "request");
  const x = new Exchange(req, res, systemClock, { write: () => {} }, () => {});
  const turn: Turn = { x, endpoint, principal: { kind: "anonymous" } };
  keep({
    async [Symbol.asyncDispose]() {
      res.end();
      await asking;
      await held.close();
      await leases.close();
      await agent.destroy();
      http.closeAllConnections();
      http.close();
    },
  });
  return { server, held, turn };
}

test("A held session is ended at its server once it has been idle, and never while a call is in it.", async () => {
  const { server, held, turn } = await holding(40);
  const used = await held.take(turn, { elicitation: {} });
  held.begin(used);
  const idle = await held.take(turn, {});
  expect(server.open.length).toBe(2);
  await expect.poll(() => server.open).toEqual([used.upstream.id]);
  expect(await held.take(turn, { elicitation: {} })).toBe(used);
  expect(server.open).not.toContain(idle.upstream.id);
  held.end(used);
  await expect.poll(() => server.open).toEqual([]);
  const again = await held.take(turn, { elicitation: {} });
  expect(again.upstream.id).not.toBe(used.upstream.id);
});

test("Those who ask while a held session is being opened share it, and one that could not be opened is asked for anew.", async () => {
  const { server, held, turn } = await holding(60_000);
  server.instead = ({ message }) => (message?.method === "initialize" ? { status: 503 } : undefined);
  const failing = await Promise.allSettled([held.take(turn, {}), held.take(turn, {})]);
  expect(failing.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(server.of("initialize").length).toBe(1);
  server.instead = undefined;
  const [one, two] = await Promise.all([held.take(turn, {}), held.take(turn, {})]);
  expect(one).toBe(two);
  expect(server.open).toEqual([one!.upstream.id]);
});
