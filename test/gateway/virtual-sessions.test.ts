import { describe, expect, onTestFinished, test } from "vitest";
import { statelessCall } from "./scripted.ts";
import { call, send, upstream, user, world } from "./sending.ts";

const HEADER = "offing-virtual-session";
const path = "/acme/kept/mcp";

function kept(): string {
  world.publish("kept", { address: upstream.address, virtualSessions: true });
  return world.key({ roles: { kept: "user" } }).key;
}

/** The ids that the upstream was told since, one for each request. */
async function told(work: () => Promise<unknown>): Promise<unknown[]> {
  const from = upstream.received.length;
  await work();
  return upstream.received.slice(from).map(({ req }) => req.headers[HEADER]);
}

describe("A virtual session", () => {
  test("is named to the server by an opaque id, the same for every call of a principal's client. [R:virtual-sessions.stable]", async () => {
    const key = kept();
    const ids = await told(async () => {
      await send({ path, key, ...call() });
      world.restart();
      await send({ path, key, ...call() });
    });
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(ids[1]).toBe(ids[0]);
    const row = world.sessions.findLast(({ kind }) => kind === "virtual")!;
    expect(row.expiresAt - row.createdAt).toBe(24 * 60 * 60 * 1000);
    expect(row.id).not.toContain(String(ids[0]));
  });

  test("is another one for another principal, and none where its owner wants none. [R:virtual-sessions.own]", async () => {
    const [mine, theirs] = [kept(), kept()];
    const ids = await told(async () => {
      await send({ path, key: mine, ...call() });
      await send({ path, key: theirs, ...call() });
      await send({ key: user, ...call() });
    });
    expect(ids[0]).toBeDefined();
    expect(ids[1]).toBeDefined();
    expect(ids[1]).not.toBe(ids[0]);
    expect(ids[2]).toBeUndefined();
  });

  test("cannot be chosen by a client's own header. [R:virtual-sessions.not-forged]", async () => {
    const key = kept();
    const given = call();
    const forged = { ...given, headers: { ...given.headers, [HEADER]: "forged" } };
    const ids = await told(async () => {
      await send({ path, key, ...forged });
      await send({ key: user, ...forged });
    });
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(ids[1]).toBeUndefined();
  });

  test("is not begun by a list, which belongs to none.", async () => {
    const key = kept();
    const before = world.sessions.length;
    const ids = await told(() => send({ path, key, ...statelessCall("tools/list", {}) }));
    expect(ids).toEqual([undefined]);
    expect(world.sessions.length).toBe(before);
  });

  test("ends 24 hours after it began, however much it is used, and the next call begins another. [R:virtual-sessions.ends]", async () => {
    const key = kept();
    const real = world.now;
    onTestFinished(() => void (world.now = real));
    const at = async (hours: number) => {
      world.now = () => real() + hours * 3_600_000;
      return (await told(() => send({ path, key, ...call() })))[0];
    };
    const first = await at(0);
    expect(await at(12)).toBe(first);
    expect(await at(23.9)).toBe(first);
    const second = await at(24.1);
    expect(second).not.toBe(first);
    expect(await at(36)).toBe(second);
  });

  test("is begun once by all calls that need it at a time.", async () => {
    const key = kept();
    const before = world.sessions.length;
    const calls = Array.from({ length: 5 }, () => send({ path, key, ...call() }));
    const ids = await told(() => Promise.all(calls));
    expect(new Set(ids).size).toBe(1);
    expect(world.sessions.length - before).toBe(1);
  });

  test("that cannot be begun refuses the call, which the server never sees. [R:virtual-sessions.fail-closed]", async () => {
    const key = kept();
    world.beginFails = true;
    onTestFinished(() => void (world.beginFails = false));
    const from = upstream.received.length;
    const answer = await send({ path, key, ...call() });
    expect(answer.status).toBe(503);
    expect(answer.record.boundary).toBe("session");
    expect(upstream.received.length).toBe(from);
  });
});
