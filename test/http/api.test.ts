import { connect } from "node:net";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { once } from "../../src/domain/idempotency/once.ts";
import { loadPrincipal } from "../../src/domain/principals/load.ts";
import type { Context } from "../../src/domain/context.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const org = "/organizations/default";
const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

async function send(method: string, path: string, init: RequestInit & { key?: string | null } = {}) {
  const key = init.key === undefined ? world.owner.key : init.key;
  const response = await fetch(`${world.url}/api/v1${path}`, {
    ...init,
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(init.headers as Record<string, string>),
    },
  });
  const text = await response.text();
  return { response, status: response.status, text, body: text === "" ? undefined : JSON.parse(text) };
}

describe("every error of the control API is a problem of RFC 9457", () => {
  it.each([
    ["no key", 401, "unauthenticated", "GET", "/me", { key: null }],
    ["a key that is none", 401, "unauthenticated", "GET", "/me", { key: "off_nonsense" }],
    ["no such route", 404, "not_found", "GET", "/nothing/here", {}],
    ["no such route, without a key", 404, "not_found", "GET", "/nothing/here", { key: null }],
    ["a method that the route does not take", 404, "not_found", "PATCH", "/me", {}],
    ["OPTIONS", 404, "not_found", "OPTIONS", "/me", {}],
    ["a body that is no JSON", 400, "invalid", "POST", `${org}/keys`, { body: "{x" }],
    ["a body that is no object", 400, "invalid", "POST", `${org}/keys`, { body: "[]" }],
    [
      "a body of another kind",
      400,
      "invalid",
      "POST",
      `${org}/builds`,
      { body: new URLSearchParams({ a: "b" }) },
    ],
    ["no body where one is needed", 400, "invalid", "POST", `${org}/builds`, {}],
    ["a body over 1 MiB", 413, "too_large", "POST", `${org}/keys`, { body: "x".repeat(1024 * 1024 + 1) }],
    ["NUL in a body", 400, "invalid", "POST", `${org}/keys`, { body: '{"label":"\\u0000"}' }],
    ["a body that nests too deep", 400, "invalid", "POST", `${org}/keys`, { body: deep(500_000) }],
    ["an array in a body that nests too deep", 400, "invalid", "POST", `${org}/keys`, { body: deep(65) }],
    ["half a character in a body", 400, "invalid", "POST", `${org}/keys`, { body: '{"label":"\\ud800"}' }],
    ["NUL in a path", 400, "invalid", "GET", `${org}/servers/%00`, {}],
    ["a path that is no UTF-8", 404, "not_found", "GET", `${org}/servers/%ff`, {}],
    ["a limit that is none", 400, "invalid", "GET", `${org}/keys?limit=many`, {}],
    ["a limit too high", 400, "invalid", "GET", `${org}/keys?limit=100000`, {}],
    ["a cursor that is none", 400, "invalid", "GET", `${org}/keys?cursor=abc`, {}],
    ["a time that is none", 400, "invalid", "GET", `${org}/servers/a/logs?since=now`, {}],
    ["a stream of a server that is not there", 404, "not_found", "GET", `${org}/servers/a/logs/follow`, {}],
  ])("%s: %i", async (_, status, code, method, path, init) => {
    const answer = await send(method, path, init as RequestInit);
    expect(answer.status).toBe(status);
    expect(answer.response.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.body).toMatchObject({ type: `urn:offing:problem:${code}`, status, code });
    expect(typeof answer.body.title).toBe("string");
    expect(typeof answer.body.detail).toBe("string");
    expect(answer.response.headers.get("www-authenticate")).toBe(
      status === 401 ? 'Bearer realm="Offing"' : null,
    );
    expect(world.logged.filter((line) => line.includes("control API failed"))).toEqual([]);
  });

  it("also outside of the API, and for HEAD without a body", async () => {
    const response = await fetch(`${world.url}/nothing`);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      404,
      "application/problem+json",
    ]);
    expect((await send("HEAD", "/me", { key: null })).text).toBe("");
  });

  it("an invalid input names each place that is wrong", async () => {
    const { body } = await send("POST", `${org}/builds`, {
      body: '{"server": "No Slug", "source": {"kind": "git"}}',
    });
    expect(body.issues.map((issue: { path: string }) => issue.path)).toEqual(["server", "source.url"]);
  });
});

describe("a list", () => {
  it("gives every item once over its pages, whatever the size of a page", async () => {
    const made = new Set<string>();
    for (let n = 0; n < 23; n++)
      made.add((await world.owner.client.call("createKey", { organization: "default" }, {})).id);
    for (const limit of [1, 7, 200]) {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: { items: { id: string }[]; nextCursor: string | null } = await world.owner.client.call(
          "listKeys",
          { organization: "default" },
          { limit, ...(cursor === null ? {} : { cursor }) },
        );
        seen.push(...page.items.map((key) => key.id));
        cursor = page.nextCursor;
      } while (cursor !== null);
      expect(new Set(seen).size).toBe(seen.length);
      expect([...made].every((id) => seen.includes(id))).toBe(true);
    }
  });
});

describe("an Idempotency-Key", () => {
  const make = (key: string, slug: string) =>
    send("POST", `${org}/service-accounts`, {
      body: JSON.stringify({ slug }),
      headers: { "idempotency-key": key },
    });

  it("answers a repeated request with the first answer, and does it once", async () => {
    const first = await make("one", "robot");
    const again = await make("one", "robot");
    expect(first.status).toBe(200);
    expect(again.body).toEqual(first.body);
  });

  it("refuses another request under the same key", async () => {
    expect((await make("one", "other")).body).toMatchObject({ code: "conflict", hint: "use a new key" });
  });

  it("is free again after a request that failed", async () => {
    expect((await make("two", "robot")).body.code).toBe("conflict");
    expect((await make("two", "robot-two")).status).toBe(200);
  });

  it("lets one of many at once do it, and the others have its answer or wait", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => make("three", "robot-three")));
    const done = all.filter((answer) => answer.status === 200);
    expect(done.length).toBeGreaterThan(0);
    expect(new Set(done.map((answer) => answer.body.id)).size).toBe(1);
    for (const other of all.filter((answer) => answer.status !== 200))
      expect(other.body.detail).toContain("still running");
  });

  it("does nothing twice when the program was killed between the effect and the answer", async () => {
    const { db } = world.system.services;
    const slug = "robot-four";
    await make("four", slug);
    const row = () => db.updateTable("idempotency").where("key", "=", "four");
    // As a kill leaves it: settled in the verb's transaction, without an answer.
    await row()
      .set({ status: 102, body: null, created_at: new Date(Date.now() - 61_000) })
      .execute();
    expect((await make("four", slug)).body.detail).toContain("took effect, but its answer was lost");
  });

  it("is settled in the verb's own transaction", async () => {
    const { services } = world.system;
    const principal = (await loadPrincipal(services.db, world.owner.organization, world.owner.id))!;
    const ctx: Context = { ...services, actor: { ...principal, organizationSlug: "default" } };
    const settled = once(ctx, "five", { route: "x", organization: "default", input: {} }, async (as) => {
      await as.claim!.settle(services.db as never);
      throw new Error("killed here");
    });
    await expect(settled).rejects.toThrow("killed here");
    const row = await services.db
      .selectFrom("idempotency")
      .select("status")
      .where("key", "=", "five")
      .executeTakeFirst();
    expect(row?.status).toBe(102);
  });

  it("of a program that was killed before any effect is free after a minute", async () => {
    const { db } = world.system.services;
    const attempt = () => make("six", "robot-six");
    await attempt();
    await db.deleteFrom("service_accounts").where("slug", "=", "robot-six").execute();
    const claimed = { status: null, body: null };
    await db
      .updateTable("idempotency")
      .where("key", "=", "six")
      .set({ ...claimed, created_at: new Date() })
      .execute();
    expect((await attempt()).body.detail).toContain("still running");
    const before = new Date(Date.now() - 61_000);
    await db.updateTable("idempotency").where("key", "=", "six").set({ created_at: before }).execute();
    expect((await attempt()).status).toBe(200);
  });
});

describe("an upload", () => {
  const incoming = () => readdir(join(world.dataDir, "blobs/incoming"));

  it("that is broken off leaves nothing behind, and nobody is told of a fault", async () => {
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /api/v1${org}/uploads HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${world.owner.key}\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(50_000)}`,
    );
    await expect.poll(incoming).toHaveLength(1);
    socket.destroy();
    await expect.poll(incoming).toHaveLength(0);
    expect(world.logged.filter((line) => line.includes("control API failed"))).toEqual([]);
  });

  it("that says it is too large is refused before it is read", async () => {
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /api/v1${org}/uploads HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${world.owner.key}\r\nContent-Length: 999999999999\r\n\r\n`,
    );
    let answer = "";
    for await (const chunk of socket) {
      answer += String(chunk);
      if (answer.includes("512 MiB")) break;
    }
    expect(answer).toContain("413");
  });

  it("is for those only who may deploy something", async () => {
    const member = await world.member("member");
    const { status, body } = await send("POST", `${org}/uploads`, { key: member.key, body: "x" });
    expect([status, body.code]).toEqual([403, "forbidden"]);
  });
});
