import { describe, expect, test, vi } from "vitest";
import { MOST_EXTENDED, MOST_KEPT } from "../../src/gateway/sessions/session.ts";
import { emptyManifest } from "./harness.ts";
import { openSession } from "./scripted.ts";
import { send, upstream, url, user, withoutId, world } from "./sending.ts";

const HOUR = 3_600_000;

describe("A handshake session", () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "t" } });
  const ask = (session: string | undefined, key = user, path = "/acme/s/mcp", extra = {}) =>
    send({
      body,
      key,
      path,
      headers: { ...(session === undefined ? {} : { "mcp-session-id": session }), ...extra },
    });

  test("is required: 400 without its id.", async () => {
    const answer = await ask(undefined);
    expect(answer.status).toBe(400);
    expect(answer.record.boundary).toBe("session");
  });

  test("has one stable id upstream, which is not the client's.", async () => {
    const session = await openSession(url, user);
    const from = upstream.received.length;
    await ask(session);
    await ask(session);
    const seen = upstream.received.slice(from).map(({ req }) => req.headers["mcp-session-id"]);
    expect(seen[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(seen[1]).toBe(seen[0]);
    expect(session).not.toContain(seen[0]);
  });

  test("tells the instance the handshake with every message, in words that the client cannot choose.", async () => {
    const from = upstream.received.length;
    const params = {
      protocolVersion: "2025-06-18",
      clientInfo: { name: "ünï", version: "9" },
      capabilities: { sampling: {}, roots: { listChanged: true } },
    };
    const opening = await send({
      key: user,
      headers: { "offing-session": "forged" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
    });
    const session = opening.headers["mcp-session-id"] as string;
    await ask(session, user, undefined, { "offing-session": "forged" });
    const told = upstream.received.slice(from).map(({ req }) => req.headers["offing-session"]);
    expect(told).toHaveLength(2);
    for (const hello of told) {
      expect(JSON.parse(Buffer.from(hello as string, "base64url").toString())).toEqual(params);
    }
  });

  test.each([
    ["as much as", 650],
    ["more than", 2000],
  ])(
    "opens at a replica that never saw it, where its client said %s can be sealed of its capabilities, in any script.",
    async (_, characters) => {
      const capabilities = { experimental: { x: { y: "漢".repeat(characters) } } };
      const clientInfo = { name: "漢".repeat(200), version: "漢".repeat(200) };
      const params = { protocolVersion: "2025-06-18", clientInfo, capabilities };
      const opening = await send({
        key: user,
        body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
      });
      world.restart();
      expect((await ask(opening.headers["mcp-session-id"] as string)).status).toBe(200);
    },
  );

  test("is ended at an instance that runs, and DELETE starts none that does not.", async () => {
    const session = await openSession(url, user);
    await ask(session);
    const { "mcp-session-id": name } = upstream.received.at(-1)!.req.headers;
    const from = upstream.received.length;
    await send({ method: "DELETE", key: user, headers: { "mcp-session-id": session } });
    await vi.waitFor(() => expect(upstream.received.length).toBe(from + 1));
    const { req } = upstream.received.at(-1)!;
    expect([req.method, req.headers["mcp-session-id"]]).toEqual(["DELETE", name]);
    expect(req.headers["offing-session"]).toBeDefined();

    const gone = new AbortController();
    const address = async () => world.lease("srv_acme_asleep", upstream.address, gone);
    const { key } = world.key({ roles: { asleep: "user" } });
    const asleep = await openSession(world.publish("asleep", { address }), key);
    gone.abort(new Error("it was idle"));
    const headers = { "mcp-session-id": asleep };
    expect((await send({ method: "DELETE", path: "/acme/asleep/mcp", key, headers })).status).toBe(204);
    expect(world.acquired.get("srv_acme_asleep")).toBe(1);
  });

  test("is 404 for another principal, another endpoint, a changed id and one of no making of ours.", async () => {
    const session = await openSession(url, user);
    const stranger = world.key({ roles: { s: "user" } }).key;
    const changed = `${session.slice(0, -3)}${session.at(-3) === "A" ? "B" : "A"}${session.slice(-2)}`;
    const answers = [
      await ask(session, stranger),
      await ask(session, user, "/acme/other/mcp"),
      await ask(changed),
      await ask("nonsense"),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(404);
      expect(answer.record.boundary).toBe("session");
      expect(withoutId(answer.text)).toBe(withoutId(answers[0]!.text));
    }
    expect((await ask(session)).status).toBe(200);
  });

  test("is over after DELETE, and 24 hours after it began where it was not used.", async () => {
    const session = await openSession(url, user);
    const end = await send({ method: "DELETE", key: user, headers: { "mcp-session-id": session } });
    expect(end.status).toBe(204);
    expect((await ask(session)).status).toBe(404);
    const old = await openSession(url, user);
    const real = world.now;
    world.now = () => Date.now() + 24 * 60 * 60 * 1000 + 1;
    const late = await ask(old);
    world.now = real;
    expect(late.status).toBe(404);
    expect(late.record.because).toBe("session expired");
  });

  /** What a call is answered with so many hours from now. */
  const later = async (hours: number, asked: () => ReturnType<typeof ask>) => {
    const real = world.now;
    world.now = () => Date.now() + hours * HOUR;
    try {
      return await asked();
    } finally {
      world.now = real;
    }
  };

  test("goes on for 24 hours after its last use, known to the hour, at every gateway. [R:sessions.idle]", async () => {
    const session = await openSession(url, user);
    for (const hours of [20, 43, 66]) expect((await later(hours, () => ask(session))).status).toBe(200);
    world.restart();
    expect((await later(89, () => ask(session))).status).toBe(200);
    const late = await later(113.1, () => ask(session));
    expect([late.status, late.record.because]).toEqual([404, "session expired"]);
  });

  test("is published as used once an hour at most. [R:sessions.idle-rare]", async () => {
    const session = await openSession(url, user);
    const { id } = world.sessions.at(-1)!;
    await later(0.9, () => ask(session));
    expect(world.published.get(id)).toBeUndefined();
    await later(1.1, () => ask(session));
    const { until } = world.published.get(id)!;
    await later(2, () => ask(session));
    expect(world.published.get(id)!.until).toBe(until);
    expect(world.sessions.at(-1)).toMatchObject({ id, expiresAt: until });
    await later(2.2, () => ask(session));
    expect(world.published.get(id)!.until).toBeGreaterThan(until!);
  });

  test("is over seven days after it began, however much it is used. [R:sessions.longest]", async () => {
    const session = await openSession(url, user);
    for (let hours = 20; hours < 168; hours += 20) {
      expect((await later(hours, () => ask(session))).status).toBe(200);
    }
    expect((await later(167.9, () => ask(session))).status).toBe(200);
    expect((await later(168.1, () => ask(session))).status).toBe(404);
  });

  test("that was carried on is over after DELETE.", async () => {
    const session = await openSession(url, user);
    await later(20, () => ask(session));
    const headers = { "mcp-session-id": session };
    const end = await later(40, () => send({ method: "DELETE", key: user, headers }));
    expect(end.status).toBe(204);
    const late = await later(41, () => ask(session));
    expect([late.status, late.record.because]).toEqual([404, "session ended"]);
  });

  test("is carried on for as many of a principal's at a server as gateways keep, and for the others ends a day after it began. [R:sessions.most-extended]", async () => {
    world.publish("many", { address: upstream.address });
    const path = "/acme/many/mcp";
    const { key, principal } = world.key({ roles: { many: "user" } });
    const holder = { server: "srv_acme_many", principal: principal.id };
    const others = { as: "extended", began: Date.now(), expiresAt: Date.now() + 24 * HOUR } as const;
    for (let n = 1; n < MOST_EXTENDED; n++) world.kept.keep(`ses_${n}`, holder, others);
    const [first, second] = [
      await openSession(`${world.url}${path}`, key),
      await openSession(`${world.url}${path}`, key),
    ];
    for (const session of [first, second]) await later(2, () => ask(session, key, path));
    expect((await later(23, () => ask(second, key, path))).status).toBe(200);
    expect((await later(25, () => ask(first, key, path))).status).toBe(200);
    expect((await later(25, () => ask(second, key, path))).status).toBe(404);
  });

  test("leaves a row when it begins, and again when it is used, at most once a minute. [R:sessions.rows]", async () => {
    const session = await openSession(url, user);
    const row = world.sessions.at(-1)!;
    expect(row).toMatchObject({ kind: "handshake", server: "srv_acme_s", deployment: "live" });
    expect(row.expiresAt - row.createdAt).toBe(24 * HOUR);
    const rows = () => world.sessions.filter(({ id }) => id === row.id).length;
    await ask(session);
    await ask(session);
    expect(rows()).toBe(1);
    const real = world.now;
    world.now = () => Date.now() + 61_000;
    await ask(session);
    await ask(session);
    world.now = real;
    expect(rows()).toBe(2);
    expect(world.sessions.at(-1)!.seenAt - row.createdAt).toBeGreaterThanOrEqual(60_000);
  });

  test("keeps the log level that its client set for every gateway, and sets none that is no level. [R:sessions.level-published]", async () => {
    const session = await openSession(url, user);
    const headers = { "mcp-session-id": session };
    const setLevel = (level: string) =>
      send({
        key: user,
        headers,
        body: JSON.stringify({ jsonrpc: "2.0", id: 5, method: "logging/setLevel", params: { level } }),
      });
    const { id } = world.sessions.at(-1)!;
    expect(JSON.parse((await setLevel("loud")).text).error.code).toBe(-32602);
    expect(world.published.get(id)?.level).toBeUndefined();
    expect(JSON.parse((await setLevel("error")).text).result).toEqual({});
    expect(world.published.get(id)).toMatchObject({ ended: false, level: "error" });
  });

  test("keeps 64 KiB of subscribed URIs at most, and has room again where it wants fewer. [R:sessions.subscription-bytes]", async () => {
    const path = "/acme/listening/mcp";
    world.publish("listening", {
      address: upstream.address,
      eras: ["stateless"],
      manifest: { ...emptyManifest, capabilities: { resources: { subscribe: true } } },
    });
    const { key } = world.key({ roles: { listening: "user" } });
    const headers = { "mcp-session-id": await openSession(`${world.url}${path}`, key) };
    const ask = async (method: string, n: number) => {
      const uri = `file:///${n}/`.padEnd(2048, "ü");
      const { text } = await send({
        path,
        key,
        headers,
        body: JSON.stringify({ jsonrpc: "2.0", id: n, method: `resources/${method}`, params: { uri } }),
      });
      return JSON.parse(text) as { result?: object; error?: { message: string } };
    };
    for (let n = 0; n < 16; n++) expect(await ask("subscribe", n)).toMatchObject({ result: {} });
    expect((await ask("subscribe", 16)).error!.message).toContain("65536 bytes at most. Unsubscribe");
    expect(await ask("subscribe", 3)).toMatchObject({ result: {} });
    expect(await ask("unsubscribe", 3)).toMatchObject({ result: {} });
    expect(await ask("subscribe", 16)).toMatchObject({ result: {} });
  });

  test("is refused with 429 where its principal has five hundred open ones there of which gateways keep something; DELETE makes room. [R:sessions.most-kept]", async () => {
    world.publish("kept", { address: upstream.address, eras: ["stateless"] });
    const path = "/acme/kept/mcp";
    const { key } = world.key({ roles: { kept: "user", s: "user" } });
    const open = () => openSession(`${world.url}${path}`, key);
    const setLevel = (session: string) =>
      send({
        path,
        key,
        headers: { "mcp-session-id": session },
        body: '{"jsonrpc":"2.0","id":5,"method":"logging/setLevel","params":{"level":"error"}}',
      });
    const before = await open();
    let session = "";
    for (let n = 0; n < MOST_KEPT; n++) {
      session = await open();
      expect((await setLevel(session)).status).toBe(200);
    }
    await expect(open()).rejects.toThrow(/^initialize: 429 .*DELETE.*offing sessions/);
    // One that began earlier goes on; only nothing more is kept of it.
    expect((await setLevel(before)).status).toBe(429);
    expect((await ask(before, key, path)).status).not.toBe(429);
    expect((await setLevel(session)).status).toBe(200);
    // Neither another server nor another principal has less room by it.
    await openSession(url, key);
    await openSession(`${world.url}${path}`, world.key({ roles: { kept: "user" } }).key);
    await send({ method: "DELETE", path, key, headers: { "mcp-session-id": session } });
    await open();
    expect((await setLevel(before)).status).toBe(200);
  });

  test("answers ping itself, takes notifications with 202, and refuses versions it does not know.", async () => {
    const session = await openSession(url, user);
    const headers = { "mcp-session-id": session };
    const from = upstream.received.length;
    const ping = await send({ key: user, headers, body: '{"jsonrpc":"2.0","id":"p","method":"ping"}' });
    expect(JSON.parse(ping.text)).toEqual({ jsonrpc: "2.0", id: "p", result: {} });
    expect(upstream.received.length).toBe(from);
    const note = await send({
      key: user,
      headers,
      body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    });
    expect([note.status, note.text]).toEqual([202, ""]);
    expect((await ask(session, user, undefined, { "mcp-protocol-version": "2019-01-01" })).status).toBe(400);
    const unknown = await send({ key: user, headers, body: '{"jsonrpc":"2.0","id":1,"method":"no/such"}' });
    expect([unknown.status, JSON.parse(unknown.text).error.code]).toEqual([200, -32601]);
  });

  test("is agreed at the newest handshake revision when the client asks for one that does not exist. [R:handshake-client.negotiation]", async () => {
    const answer = await send({
      key: user,
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 0,
        method: "initialize",
        params: { protocolVersion: "2199-01-01", capabilities: {}, clientInfo: { name: "c", version: "9" } },
      }),
    });
    expect(JSON.parse(answer.text).result.protocolVersion).toBe("2025-11-25");
    expect(answer.headers["mcp-session-id"]).toMatch(/^[\x21-\x7e]+$/);
    expect(answer.record).toMatchObject({
      client_name: "c",
      client_version: "9",
      protocol_version: "2025-11-25",
    });
  });
});
