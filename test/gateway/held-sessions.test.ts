import { once } from "node:events";
import { createServer } from "node:http";
import { Agent } from "undici";
import { expect, test } from "vitest";
import { Ears } from "../../src/gateway/bridge/ear.ts";
import { Exchange } from "../../src/gateway/exchange/exchange.ts";
import { type HeldSession, HeldSessions } from "../../src/gateway/sessions/held-sessions.ts";
import { Leases } from "../../src/gateway/exchange/leases.ts";
import type { Turn } from "../../src/gateway/turn.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Endpoint } from "../../src/snapshot/snapshot.ts";
import { createPools } from "../../src/upstream/pool.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { ScriptedSse } from "../upstream/sse-scripted.ts";
import { emptyManifest } from "./harness.ts";
import { keep } from "./scene.ts";

/** Held sessions at a real server, and a turn of somebody's to take them for. */
async function holding(idleMs: number, sse?: ScriptedSse) {
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
    upstream: {
      kind: "external",
      organization: "org_1",
      server: "srv_1",
      url: sse?.url ?? server.url,
      ...(sse === undefined ? {} : { transport: "sse" }),
    },
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
  const ears = new Ears();
  /** A call that hears what the session's server says, and ends. */
  const hear = async (session: HeldSession) => {
    const { id, revision } = session.upstream;
    const at = await leases.take(endpoint.upstream);
    const said = ["accept", "text/event-stream", "mcp-session-id", id!, "mcp-protocol-version", revision];
    const standing = { method: "GET", headers: said } as const;
    const given = { held: at, standing, messageBytes: 100_000, tell: async () => {} };
    const leave = await ears.join(session, () => given, { name: "call", heard: () => {} });
    leave();
  };
  return { server, held, turn, hear };
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

test("At a server of HTTP+SSE calls that want log messages have a held session each; past the bound they share, as those do that want none, and nobody is refused. [R:upstream.sse-logs-bound]", async () => {
  const sse = keep(await ScriptedSse.start());
  const { held, turn } = await holding(60_000, sse);
  const begun = async (capabilities: Record<string, object>, logs: boolean) => {
    const session = await held.take(turn, capabilities, logs);
    held.begin(session);
    return session;
  };
  const asked = await begun({ elicitation: {} }, false);
  const own: HeldSession[] = [];
  for (let n = 0; n < 15; n++) own.push(await begun({}, true));
  expect(new Set([asked, ...own]).size).toBe(16);
  expect(own).toContain(await begun({}, true));
  expect(own).toContain(await begun({}, false));
  expect(sse.streams.size).toBe(16);
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

test.each([
  ["is idle", 40, async () => {}],
  ["was lost", 60_000, async (held, turn, lost) => void (await held.retake(turn, {}, lost))],
  ["is closed", 60_000, async (held) => await held.close()],
] satisfies [string, number, (held: HeldSessions, turn: Turn, lost: HeldSession) => Promise<void>][])(
  "What is heard in a held session ends with it when it %s, whatever its server does. [R:upstream.held-stream]",
  async (_, idleMs, end) => {
    const { server, held, turn, hear } = await holding(idleMs);
    // It goes on as if the session did.
    server.instead = ({ method }) => (method === "DELETE" ? { status: 405 } : undefined);
    const session = await held.take(turn, {});
    held.begin(session);
    await hear(session);
    expect(server.streams).toBe(1);
    held.end(session);
    await end(held, turn, session);
    await expect.poll(() => server.streams).toBe(0);
    // Nor is there anything to hear in one that is over.
    const asked = server.seen.length;
    await hear(session);
    expect(server.seen.slice(asked).map(({ method }) => method)).not.toContain("GET");
  },
);
