import type { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { sql } from "kysely";
import { forgetSessions } from "../../src/domain/sessions/forget.ts";
import { publishSession } from "../../src/domain/sessions/publish.ts";
import { MOST_LISTED, trimSessions } from "../../src/domain/sessions/trim.ts";
import { createSessionWriter } from "../../src/domain/sessions/write-sessions.ts";
import { MOST_ENDED } from "../../src/snapshot/kept-sessions.ts";
import type { SessionRow } from "../../src/snapshot/session.ts";
import { callText, deployed } from "../deploy.ts";
import { at, HOUR, keeping, KeptWorld } from "../kept.ts";
import type { Caller, World } from "../world.ts";

let kept: KeptWorld;
let world: World;
let user: Caller;
beforeAll(async () => {
  kept = await KeptWorld.open();
  ({ world, user } = kept);
});
afterAll(() => kept[Symbol.asyncDispose]());

describe("A handshake session", () => {
  it("is listed with who has it, since when and until when [R:sessions.listed]", async () => {
    const before = Date.now();
    const held = await kept.client(user, "kept", { name: "lister" });
    const seen = await kept.sessionOf(world.owner, "kept", "lister");
    expect(seen).toMatchObject({
      kind: "handshake",
      deployment: "live",
      principal: { id: user.id, name: "A member" },
      client: { name: "lister", version: "7" },
      revision: "2025-11-25",
      state: "open",
      endedAt: null,
    });
    expect(seen.id).toMatch(/^ses_/);
    expect(Date.parse(seen.startedAt)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(seen.expiresAt) - Date.parse(seen.startedAt)).toBe(24 * HOUR);
    await (held.transport as StreamableHTTPClientTransport).terminateSession();
    const ended = await kept.sessionOf(world.owner, "kept", "lister");
    expect(ended).toMatchObject({ id: seen.id, state: "ended", endedAt: expect.any(String) });
    await held.close();
  });

  it("is its own principal's to see, and the server's editors' [R:sessions.listed-to-whom]", async () => {
    const other = await world.member("member");
    await world.owner.client.call("setGrant", { ...at("kept"), principal: other.id }, { role: "editor" });
    const mine = await kept.client(user, "kept", { name: "mine" });
    const theirs = await kept.client(other, "kept", { name: "theirs" });
    const names = async (caller: Caller) =>
      new Set((await kept.sessionsOf(caller, "kept")).map((each) => each.client?.name));
    await kept.sessionOf(other, "kept", "mine");
    await kept.sessionOf(other, "kept", "theirs");
    expect(await names(user)).toContain("mine");
    expect(await names(user)).not.toContain("theirs");
    await mine.close();
    await theirs.close();
  });

  it("is listed page by page, newest first", async () => {
    const first = await kept.client(user, "kept", { name: "page-1" });
    const second = await kept.client(user, "kept", { name: "page-2" });
    await kept.sessionOf(user, "kept", "page-1");
    await kept.sessionOf(user, "kept", "page-2");
    const all = (await kept.sessionsOf(user, "kept")).map(({ id }) => id);
    const paged: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await user.client.call("listSessions", at("kept"), {
        limit: 1,
        ...(cursor === null ? {} : { cursor }),
      });
      paged.push(...page.items.map(({ id }) => id));
      ({ nextCursor: cursor } = page as { nextCursor: string | null });
    } while (cursor !== null);
    expect(paged).toEqual(all);
    await first.close();
    await second.close();
  });

  it("was last seen when it was last used, to the minute [R:sessions.last-seen]", async () => {
    const held = await kept.client(user, "kept", { name: "seen" });
    const began = await kept.sessionOf(user, "kept", "seen");
    kept.later = HOUR;
    await held.ping();
    await vi.waitFor(async () => {
      const { lastSeenAt } = await kept.sessionOf(user, "kept", "seen");
      expect(Date.parse(lastSeenAt) - Date.parse(began.startedAt)).toBeGreaterThanOrEqual(HOUR);
    }, 5000);
    kept.later = 0;
    await held.close();
  });

  it("goes on after a restart of everything, with its log level [R:sessions.restart] [R:sessions.level-survives]", async () => {
    const logged: unknown[] = [];
    const held = await kept.client(user, "kept", { name: "restarted", onLog: (data) => logged.push(data) });
    await held.setLoggingLevel("error");
    await callText(held, "tell");
    expect(JSON.stringify(logged)).toContain("loud");
    expect(JSON.stringify(logged)).not.toContain("quiet");
    logged.length = 0;
    await world.restart();
    expect(await callText(held, "answer")).toBe("one");
    expect(await callText(held, "tell")).toBe("told");
    expect(JSON.stringify(logged)).toContain("loud");
    expect(JSON.stringify(logged)).not.toContain("quiet");
    await held.close();
  });

  it("goes on when its instance has ended, with what its server kept for it [R:sessions.instance-restart]", async () => {
    const held = await kept.client(user, "kept", { name: "rested", answer: "Ada" });
    await callText(held, "keep", { value: "rested" });
    expect(await callText(held, "ask")).toBe("Ada");
    const { upstream } = world.system.services.snapshot.endpoint("default/kept@live")!;
    if (upstream.kind !== "hosted") throw new Error("it is hosted");
    await world.system.runner.retire(upstream.target);
    expect(await callText(held, "ask")).toBe("Ada");
    expect(await callText(held, "kept")).toBe("rested");
    await held.close();
  });

  it("is there as long as it is used, after a restart too, and is listed with until when [R:sessions.idle-survives]", async () => {
    const held = await kept.client(user, "kept", { name: "daily" });
    const { startedAt } = await kept.sessionOf(user, "kept", "daily");
    kept.later = 20 * HOUR;
    await held.ping();
    await vi.waitFor(async () => {
      const { expiresAt } = await kept.sessionOf(user, "kept", "daily");
      expect(Date.parse(expiresAt) - Date.parse(startedAt)).toBeGreaterThanOrEqual(44 * HOUR);
    }, 5000);
    kept.later = 30 * HOUR;
    await forgetSessions(world.system.services);
    await world.restart();
    kept.later = 43 * HOUR;
    await held.ping();
    expect((await kept.sessionOf(user, "kept", "daily")).state).toBe("open");
    kept.later = 0;
    await held.close();
  });

  it("is on no list once it has expired and was forgotten [R:sessions.forgotten]", async () => {
    const held = await kept.client(user, "kept", { name: "forgotten" });
    await kept.sessionOf(user, "kept", "forgotten");
    await held.close();
    const names = async () => (await kept.sessionsOf(user, "kept")).map((each) => each.client?.name);
    kept.later = 23 * HOUR;
    await forgetSessions(world.system.services);
    expect(await names()).toContain("forgotten");
    kept.later = 25 * HOUR;
    expect((await kept.sessionOf(user, "kept", "forgotten")).state).toBe("expired");
    await forgetSessions(world.system.services);
    expect(await names()).not.toContain("forgotten");
    kept.later = 0;
  });

  it("that was ended stays ended after a restart [R:sessions.ended-survives]", async () => {
    const held = await kept.client(user, "kept", { name: "gone" });
    const { sessionId } = held.transport as StreamableHTTPClientTransport;
    await (held.transport as StreamableHTTPClientTransport).terminateSession();
    await held.close();
    await world.restart();
    const answer = await fetch(`${world.url}/default/kept/mcp`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${user.key}`,
        "mcp-session-id": sessionId!,
        "mcp-protocol-version": "2025-11-25",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
    });
    expect(answer.status).toBe(404);
  });
});

describe("What is published of a session", () => {
  const published = async (client: string): Promise<SessionRow> => {
    const held = await kept.client(user, "kept", { name: client });
    const { id, startedAt } = await kept.sessionOf(user, "kept", client);
    await held.close();
    const endpoint = world.system.services.snapshot.endpoint("default/kept@live")!;
    const began = Date.parse(startedAt);
    return {
      id,
      organization: endpoint.organization.id,
      server: endpoint.server.id,
      endpoint: endpoint.id,
      deployment: "live",
      kind: "handshake",
      principal: user.id,
      clientName: client,
      clientVersion: "7",
      revision: "2025-11-25",
      createdAt: began,
      seenAt: began,
      expiresAt: began + 24 * HOUR,
    };
  };
  const ctx = () => ({ ...world.system.services, actor: { kind: "system", job: "test" } as const });
  const known = ({ id }: SessionRow) => world.system.services.snapshot.session(id);

  it("is forgotten when it ends, in the table and by every gateway, and nothing comes after [R:sessions.end-forgets] [R:sessions.end-last]", async () => {
    const row = await published("forgetful");
    await publishSession(ctx(), row, { level: "error" });
    await publishSession(ctx(), row, { upstream: "sealed" });
    await publishSession(ctx(), row, { subscribed: "a://1" });
    expect(known(row)).toMatchObject({ ended: false, level: "error", subscriptions: ["a://1"] });
    await publishSession(ctx(), row, { ended: true });
    await publishSession(ctx(), row, { subscribed: "a://late" });
    expect(known(row)).toEqual({ ended: true });
    const { db } = world.system.services;
    const stored = db
      .selectFrom("sessions")
      .select(["log_level", "upstream", "subscriptions"])
      .where("id", "=", row.id);
    expect(await stored.executeTakeFirst()).toEqual({ log_level: null, upstream: null, subscriptions: null });
  });

  it("is 64 KiB of subscribed URIs at most, however many come at a time [R:sessions.subscriptions-at-once]", async () => {
    const row = await published("greedy");
    const uri = (n: number) => `file:///${n}/`.padEnd(2048, "ü").padEnd(4096, "x");
    await Promise.all(
      Array.from({ length: 24 }, (_, n) => publishSession(ctx(), row, { subscribed: uri(n) })),
    );
    const bytes = Buffer.byteLength(known(row)!.subscriptions!.join(""));
    expect(bytes).toBeGreaterThan(58_000);
    expect(bytes).toBeLessThanOrEqual(65_536);
  });

  it("counts for its principal and server until it ends, after a restart too [R:sessions.kept-counted]", async () => {
    const row = await published("counted");
    const count = () => world.system.services.snapshot.keptSessions(row, "set");
    const before = count();
    await publishSession(ctx(), row, { level: "error" });
    await publishSession(ctx(), row, { level: "debug" });
    expect(count()).toBe(before + 1);
    await world.restart();
    expect(count()).toBe(before + 1);
    kept.later = 25 * HOUR;
    expect(count()).toBe(0);
    kept.later = 0;
    await publishSession(ctx(), row, { ended: true });
    expect(count()).toBe(before);
  });
});

describe("Whoever opens sessions in a loop", () => {
  const place = () => {
    const { organization, server, id } = world.system.services.snapshot.endpoint("default/kept@live")!;
    return { organization: organization.id, server: server.id, endpoint: id };
  };
  /** Rows of a principal's sessions, each a millisecond younger than the one before. */
  const insert = async (
    principal: string,
    rows: number,
    more = sql`null::timestamptz, null, interval '1 day'`,
  ) => {
    const { organization, server, endpoint } = place();
    await sql`insert into sessions (organization, id, server, endpoint, deployment, kind, principal, revision,
        created_at, last_seen_at, expires_at, ended_at, log_level)
      select ${organization}, 'ses_' || gen_random_uuid(), ${server}, ${endpoint}, 'live', 'handshake', ${principal},
        '2025-11-25', at, at, at + life, ended, level
      from (select now() + n * interval '1 millisecond' as at from generate_series(1, ${rows}::int) n) s,
        (select ${more}) as m (ended, level, life)`.execute(world.system.services.db);
  };
  const rowsOf = (principal: string) =>
    world.system.services.db.selectFrom("sessions").selectAll().where("principal", "=", principal).execute();

  it("leaves the rows of the thousand used last, of the newest ended ones, and all of which something is published [R:sessions.rows-bounded]", async () => {
    const principal = "usr_looping";
    await insert(principal, MOST_LISTED + 300);
    await insert(principal, MOST_ENDED + 300, sql`now(), null, interval '1 day'`);
    await insert(principal, 3, sql`null::timestamptz, 'error', interval '1 day'`);
    await insert(principal, 2, sql`null::timestamptz, null, interval '2 days'`);
    const before = await rowsOf(principal);
    const newest = before
      .filter((row) => row.ended_at === null && row.log_level === null)
      .map(({ id }) => id);
    await trimSessions(world.system.services.db, { ...place(), principal });
    const after = await rowsOf(principal);
    const open = after.filter((row) => row.ended_at === null);
    expect(after.length - open.length).toBe(MOST_ENDED + 1);
    expect(open.length).toBe(MOST_LISTED + 3 + 2);
    expect(newest.slice(300).every((id) => open.some((row) => row.id === id))).toBe(true);
  });

  it("has no more rows for long than that, whatever comes [R:sessions.rows-trimmed]", async () => {
    const principal = "usr_rapid";
    const writer = createSessionWriter(world.system.services);
    const now = Date.now();
    for (let n = 0; n < 4000; n++) {
      writer.push({
        ...place(),
        id: `ses_rapid${n}`,
        deployment: "live",
        kind: "handshake",
        principal,
        clientName: null,
        clientVersion: null,
        revision: "2025-11-25",
        createdAt: now + n,
        seenAt: now + n,
        expiresAt: now + n + 24 * HOUR,
      });
    }
    await writer.close();
    const rows = await rowsOf(principal);
    expect(rows.length).toBeLessThan(MOST_LISTED + 500);
    expect(rows.some(({ id }) => id === "ses_rapid3999")).toBe(true);
  });

  it("and ends them has none back: with more than are kept, all are over that began before and were not used for long [R:sessions.ended-bounded]", async () => {
    const looping = await kept.another("user");
    const before = await kept.client(looping, "kept", { name: "before" });
    const longer = await kept.client(looping, "kept", { name: "longer" });
    const other = await kept.client(user, "kept", { name: "other" });
    await longer.setLoggingLevel("error");
    await before.ping();
    await insert(looping.id, MOST_ENDED + 1, sql`now(), null, interval '1 day'`);
    await world.restart();
    await expect(before.ping()).rejects.toThrow(/session/i);
    await longer.ping();
    await other.ping();
    const after = await kept.client(looping, "kept", { name: "after" });
    await after.ping();
    for (const each of [before, longer, other, after]) await each.close();
  });

  it("has what is over deleted in steps [R:sessions.forgotten-steps]", async () => {
    const principal = "usr_forgotten";
    await insert(principal, 2500);
    kept.later = 25 * HOUR;
    await forgetSessions(world.system.services);
    kept.later = 0;
    expect(await rowsOf(principal)).toEqual([]);
  });
});

describe("What a FastMCP server keeps for a session", () => {
  it("is there at its next instance, and after a deploy of other code [R:sessions.state-kept]", async () => {
    const held = await kept.client(user, "kept", { name: "keeper" });
    await callText(held, "keep", { value: "mine" });
    await world.restart();
    expect(await callText(held, "kept")).toBe("mine");
    await deployed(world.owner, "kept", keeping(">=4,<5", "two"));
    expect(await callText(held, "answer")).toBe("two");
    expect(await callText(held, "kept")).toBe("mine");
    const other = await kept.client(user, "kept", { name: "keeper" });
    expect(await callText(other, "kept")).toBe("None");
    await held.close();
    await other.close();
  });

  it("is kept by FastMCP 3 too", async () => {
    const held = await kept.client(world.owner, "older", { name: "keeper" });
    await callText(held, "keep", { value: "old" });
    await world.restart();
    expect(await callText(held, "kept")).toBe("old");
    await held.close();
  });
});
