import type { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { forgetSessions } from "../../src/domain/sessions/forget.ts";
import { publishSession } from "../../src/domain/sessions/publish.ts";
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
    const count = () => world.system.services.snapshot.keptSessions(row);
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
