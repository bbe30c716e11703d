import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { refreshDue, refreshServer } from "../../src/domain/servers/refresh.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { mcpClient } from "../deploy.ts";
import { handshakeCall } from "../gateway/scene.ts";
import { openSession, statelessCall } from "../gateway/scripted.ts";
import { bothEras, statelessOnly } from "../upstream/scripts.ts";
import { SdkServer } from "../upstream/sdk-server.ts";
import { openWorld, type World } from "../world.ts";

/** What is believed of a server that runs elsewhere, and how that is kept true. */
let world: World;
let ahead = 0;
const clock = { now: () => Date.now() + ahead, monotonic: systemClock.monotonic };
const open: AsyncDisposable[] = [];
beforeAll(async () => {
  world = await openWorld({ clock });
});
afterAll(() => world.close());
afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

async function registered(server: string): Promise<SdkServer> {
  const upstream = await SdkServer.start();
  open.push(upstream);
  const input = { url: upstream.url, server, allowPrivate: true };
  await world.owner.client.call("registerServer", { organization: "default" }, input);
  return upstream;
}

const eras = (server: string) => world.system.services.snapshot.endpoint(`default/${server}@live`)!.eras;
const view = (server: string) => world.owner.client.call("getServer", { organization: "default", server });
const post = (server: string, given: { headers: Record<string, string>; body: string }) =>
  fetch(`${world.url}/default/${server}/mcp`, {
    method: "POST",
    headers: { ...given.headers, authorization: `Bearer ${world.owner.key}` },
    body: given.body,
  });

describe("what was found of a server that runs elsewhere", () => {
  it("is believed for an hour, then it is asked anew, off the path of any request [R:upstream.verdict-expires]", async () => {
    const upstream = await registered("aging");
    expect(eras("aging")).toEqual(["handshake"]);
    upstream.instead = statelessOnly;
    const asked = upstream.seen.length;
    ahead += 59 * 60_000;
    await refreshDue(world.system.services);
    const due = () =>
      world.system.services.db.selectFrom("external_servers").select("checked_at").executeTakeFirstOrThrow();
    const { checked_at: before } = await due();
    ahead += 2 * 60_000;
    await refreshDue(world.system.services);
    await expect.poll(() => eras("aging"), { timeout: 10_000 }).toEqual(["stateless"]);
    expect((await due()).checked_at.getTime()).toBeGreaterThan(before.getTime() + 60 * 60_000);
    // Once, and not before the hour was over.
    expect(
      upstream.seen.slice(asked).filter(({ message }) => message?.method === "server/discover").length,
    ).toBe(1);
    const client = await mcpClient(world, "default/aging", world.owner.key, { pin: "2026-07-28" });
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["new"]);
    await client.close();
  });

  it("is asked anew at once when an answer contradicts it [R:upstream.doubted-at-once]", async () => {
    const upstream = await registered("upgraded");
    const session = await openSession(`${world.url}/default/upgraded/mcp`, world.owner.key);
    upstream.instead = statelessOnly;
    await post("upgraded", handshakeCall(session, "echo", { text: "x" })).then((r) => r.text());
    await expect.poll(() => eras("upgraded"), { timeout: 10_000 }).toEqual(["stateless"]);
    const answer = await post("upgraded", statelessCall("tools/call", { name: "new", arguments: {} }));
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("stateless")]);
  });

  it.each([401, 403, 500, 503])(
    "stays where the server answers HTTP %i, which says nothing of it",
    async (status) => {
      const upstream = await registered(`silent-${status}`);
      upstream.instead = () => ({ status });
      ahead += 61 * 60_000;
      await refreshDue(world.system.services);
      await expect
        .poll(async () => (await view(`silent-${status}`)).status, { timeout: 10_000 })
        .toBe("failed");
      expect(eras(`silent-${status}`)).toEqual(["handshake"]);
      expect((await view(`silent-${status}`)).external).toMatchObject({
        reachable: false,
        problem: expect.stringContaining(String(status)),
      });
      // It is asked more often until it answers again.
      upstream.instead = undefined;
      ahead += 6 * 60_000;
      await refreshDue(world.system.services);
      await expect
        .poll(async () => (await view(`silent-${status}`)).status, { timeout: 10_000 })
        .toBe("live");
    },
  );

  it("is completed soon after a server was registered that answers in the stateless era: it may speak both, and its clients begin anew in their own [R:upstream.both-eras]", async () => {
    const upstream = await SdkServer.start();
    open.push(upstream);
    upstream.instead = bothEras;
    const input = { url: upstream.url, server: "both", allowPrivate: true };
    await world.owner.client.call("registerServer", { organization: "default" }, input);
    expect(eras("both")).toEqual(["stateless"]);
    const { db } = world.system.services;
    const waiting = await sql<{ key: string; run_at: Date }>`
      select key, run_at from graphile_worker.jobs where task_identifier = 'refresh' and run_at > now()`.execute(
      db,
    );
    expect(waiting.rows.length).toBe(1);

    const bridged = await openSession(`${world.url}/default/both/mcp`, world.owner.key);
    expect(upstream.of("initialize")).toEqual([]);
    const { id: server } = await view("both");
    await refreshServer(world.system.services, { organization: world.owner.organization, server });
    expect(eras("both")).toEqual(["stateless", "handshake"]);
    const before = await post("both", handshakeCall(bridged, "echo", { text: "x" }));
    expect(before.status).toBe(404);
    const own = await openSession(`${world.url}/default/both/mcp`, world.owner.key);
    const after = await post("both", handshakeCall(own, "echo", { text: "of its own era" }));
    expect(await after.text()).toContain("of its own era");
    // Registered once more, it is not taken for less than it is known to be.
    await world.owner.client.call("registerServer", { organization: "default" }, input);
    expect(eras("both")).toEqual(["stateless", "handshake"]);
    expect((await post("both", handshakeCall(own, "echo", { text: "still" }))).status).toBe(200);
  });

  it("keeps one era where only the other one was refused, and the manifest follows what the server offers", async () => {
    const upstream = await registered("growing");
    upstream.instead = ({ message }) =>
      message?.method === "server/discover"
        ? { status: 503 }
        : message?.method === "tools/list"
          ? {
              status: 200,
              body: JSON.stringify({
                jsonrpc: "2.0",
                id: message.id,
                result: { tools: [{ name: "grown", inputSchema: { type: "object" } }] },
              }),
            }
          : undefined;
    ahead += 61 * 60_000;
    await refreshDue(world.system.services);
    const names = async () => {
      const { items } = await world.owner.client.call("listCapabilities", {
        organization: "default",
        server: "growing",
      });
      return items.filter(({ kind }) => kind === "tool").map(({ name }) => name);
    };
    await expect.poll(names, { timeout: 10_000 }).toEqual(["grown"]);
    expect(eras("growing")).toEqual(["handshake"]);
  });
});
