import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { write } from "../../src/domain/write.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { deployed, serverSaying } from "../deploy.ts";
import { openWorld, type World } from "../world.ts";
import { DAY, leave, me, MINUTE, newLink, openTab, org, signedIn } from "./browser.ts";

let world: World;
/** Milliseconds that the program's clock is ahead. */
let ahead = 0;
beforeAll(async () => {
  const clock = { ...systemClock, now: () => Date.now() + ahead };
  world = await openWorld({ clock });
});
afterAll(() => world.close());

describe("the session cookie", () => {
  it("is out of reach of scripts and other sites, and of other programs on this host", async () => {
    const tab = await signedIn(world, world.owner);
    const { port } = new URL(world.url);
    expect(tab.set).toHaveLength(1);
    const [pair, ...flags] = tab.set[0]!.split("; ");
    expect(pair).toMatch(new RegExp(`^offing_session_${port}=\\w{30,}$`));
    expect(flags.sort()).toEqual(["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Strict"]);
  });

  it("of a program with an https address is Secure and bound to its host", async () => {
    await using secure = await openWorld({ env: { OFFING_PUBLIC_URL: "https://mcp.example.com" } });
    const tab = openTab({ url: secure.system.localUrl });
    const link = (await secure.owner.client.call("createSignInLink", { organization: "default" })).url;
    expect(link).toContain("https://mcp.example.com/sign-in#token=");
    await tab.signIn(link);
    expect(tab.set[0]).toMatch(/^__Host-offing_session=\w+; Path=\/; .*; Secure$/);
    expect(tab.set[0]).not.toContain("Domain");
    expect((await me(tab)).status).toBe(200);
  });

  it("is one session of one browser: signing in again ends the one before", async () => {
    const tab = await signedIn(world, world.owner);
    const before = tab.cookie;
    await tab.signIn(await newLink(world.owner));
    expect(tab.cookie).not.toBe(before);
    expect((await me(tab)).status).toBe(200);
    tab.cookie = before;
    expect((await me(tab)).status).toBe(401);
  });

  it("opens no endpoint: those take keys", async () => {
    await deployed(world.owner, "closed", serverSaying("closed"));
    const tab = await signedIn(world, world.owner);
    const ask = { jsonrpc: "2.0", id: 1, method: "ping" };
    const { status } = await tab.send("POST", "/default/closed/mcp", { body: ask });
    expect(status).toBe(401);
  });

  it("that comes twice with two values, one of which somebody else set, opens nothing", async () => {
    const tab = await signedIn(world, world.owner);
    const [name] = tab.cookie.split("=", 1);
    const mine = tab.cookie;
    for (const twice of [`${mine}; ${name}=other`, `${name}=other; ${mine}`, `${name}=; ${mine}`]) {
      tab.cookie = twice;
      expect((await me(tab)).status).toBe(401);
    }
    tab.cookie = `a=b; ${mine}; ${mine}`;
    expect((await me(tab)).status).toBe(200);
  });

  it("makes no keys: one would outlast the session, and what ends it", async () => {
    const tab = await signedIn(world, world.owner);
    const { status, body } = await tab.send("POST", `${org}/keys`, { body: {} });
    expect([status, body.code, body.hint]).toEqual([403, "forbidden", "run: ./offing keys create"]);
  });

  it("counts for nothing beside a key: what the key may not, the cookie does not add", async () => {
    const tab = await signedIn(world, world.owner);
    const { status } = await tab.send("GET", "/api/v1/me", { headers: { authorization: "Bearer off_no" } });
    expect(status).toBe(401);
  });
});

describe("a request that another site made a signed-in browser send", () => {
  const foreign: [string, Record<string, string>][] = [
    ["another site", { "sec-fetch-site": "cross-site", origin: "https://evil.example" }],
    ["another port of this host", { "sec-fetch-site": "same-site", origin: "http://localhost:1" }],
    ["a sandboxed frame", { "sec-fetch-site": "cross-site", origin: "null" }],
    ["an old browser, by its origin", { "sec-fetch-site": "", origin: "http://localhost:1" }],
    [
      "an origin that only looks like ours",
      { "sec-fetch-site": "", origin: "http://localhost.evil.example" },
    ],
  ];

  it.each(foreign)("is refused from %s, reading and writing, streams too", async (_, headers) => {
    const tab = await signedIn(world, world.owner);
    const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ""));
    const raw = async (method: string, path: string, body?: string) => {
      const response = await fetch(`${world.url}${path}`, {
        method,
        headers: { cookie: tab.cookie, ...sent },
        ...(body === undefined ? {} : { body }),
      });
      await response.body?.cancel();
      return response.status;
    };
    expect(await raw("POST", `${org}/keys`, "{}")).toBe(403);
    expect(await raw("GET", "/api/v1/me")).toBe(403);
    expect(await raw("GET", `${org}/servers/closed/logs/follow`)).toBe(403);
    expect(await raw("DELETE", "/api/v1/web-session", "{}")).toBe(403);
    expect(await raw("POST", "/api/v1/web-session", "{}")).toBe(403);
    expect((await me(tab)).status).toBe(200);
  });

  it("is refused when nothing shows where it comes from, unless it only reads", async () => {
    const tab = await signedIn(world, world.owner);
    const bare = (method: string, path: string) =>
      fetch(`${world.url}${path}`, {
        method,
        headers: { cookie: tab.cookie },
        ...(method === "GET" ? {} : { body: "{}" }),
      });
    expect((await bare("POST", `${org}/keys`)).status).toBe(403);
    expect((await bare("GET", "/api/v1/me")).status).toBe(200);
  });

  it("passes with our own origin, which is all that a browser sends to a plain address", async () => {
    const tab = await signedIn(world, world.owner);
    const response = await fetch(`${world.url}${org}/service-accounts`, {
      method: "POST",
      headers: { cookie: tab.cookie, origin: world.url },
      body: '{"slug":"made-by-a-browser"}',
    });
    expect(response.status).toBe(200);
  });
});

describe("a session ends", () => {
  it("when its browser signs out, and the cookie is taken back", async () => {
    const tab = await signedIn(world, world.owner);
    const { cookie } = tab;
    expect((await tab.send("DELETE", "/api/v1/web-session", { body: {} })).status).toBe(200);
    expect(tab.set.at(-1)).toContain("Max-Age=0");
    tab.cookie = cookie;
    const { status, body } = await me(tab);
    expect([status, body.hint]).toEqual([401, "for a new sign-in link run: ./offing sign-in"]);
    // Once more, and without any, is no error.
    expect((await tab.send("DELETE", "/api/v1/web-session", { body: {} })).status).toBe(200);
  });

  it("everywhere, for who asks so, and for nobody else", async () => {
    const member = await world.member("member");
    const [here, there, other] = [
      await signedIn(world, member),
      await signedIn(world, member),
      await signedIn(world, world.owner),
    ];
    const [theirs, others] = [await newLink(member), await newLink(world.owner)];
    await here.send("DELETE", "/api/v1/web-session", { body: { everywhere: true } });
    expect((await me(there)).status).toBe(401);
    expect((await me(other)).status).toBe(200);
    // A link that was made before opens nothing more either.
    const refused = await openTab(world).signIn(theirs);
    expect([refused.status, refused.body.hint]).toEqual([401, "for a new link run: ./offing sign-in"]);
    expect((await openTab(world).signIn(others)).status).toBe(200);
    expect((await openTab(world).signIn(await newLink(member))).status).toBe(200);
  });

  it("everywhere, for the key's user, with what was ended", async () => {
    const member = await world.member("member");
    const at = { organization: "default" };
    const tab = await signedIn(world, member);
    const link = await newLink(member);
    expect(await member.client.call("signOutEverywhere", at)).toEqual({ sessions: 1, links: 1 });
    expect((await me(tab)).status).toBe(401);
    expect((await openTab(world).signIn(link)).status).toBe(401);
    expect(await member.client.call("signOutEverywhere", at)).toEqual({ sessions: 0, links: 0 });
  });

  it("everywhere, also where a sign-in is under way in that moment", async () => {
    const member = await world.member("member");
    for (let round = 0; round < 10; round++) {
      const tab = openTab(world);
      const link = await newLink(member);
      const signingIn = tab.signIn(link);
      await member.client.call("signOutEverywhere", { organization: "default" });
      const { status } = await signingIn;
      // Who comes after it is refused; who came before it is signed out.
      expect([200, 401]).toContain(status);
      expect((await me(tab)).status).toBe(401);
    }
  });

  it("at once when the key that made its link is revoked", async () => {
    const at = { organization: "default" };
    const { id, key } = await world.owner.client.call("createKey", at, {});
    const tab = await signedIn(world, { ...world.owner, client: createClient({ url: world.url, key }) });
    expect((await me(tab)).status).toBe(200);
    await world.owner.client.call("revokeKey", { ...at, key: id });
    expect((await me(tab)).status).toBe(401);
  });

  it("at once when its user is no member any more", async () => {
    const member = await world.member("admin");
    const tab = await signedIn(world, member);
    await leave(world, member);
    expect((await me(tab)).status).toBe(401);
  });

  it("after seven days, used or not", async () => {
    const tab = await signedIn(world, world.owner);
    try {
      ahead = 7 * DAY - MINUTE;
      expect((await me(tab)).status).toBe(200);
      ahead = 7 * DAY + MINUTE;
      expect((await me(tab)).status).toBe(401);
    } finally {
      ahead = 0;
    }
  });

  it("not by a restart of the program", async () => {
    await using own = await openWorld({ env: { OFFING_PUBLIC_URL: "http://offing.example" } });
    const at = {
      get url() {
        return own.system.localUrl;
      },
    };
    const tab = openTab(at);
    await tab.signIn((await own.owner.client.call("createSignInLink", { organization: "default" })).url);
    await own.restart();
    expect((await me(tab)).status).toBe(200);
  });
});

describe("a session's row", () => {
  it("says when it was last seen, to the minute", async () => {
    const member = await world.member("member");
    const tab = await signedIn(world, member);
    const seen = async () => {
      const { db } = world.system.services;
      const rows = db.selectFrom("web_sessions").select(["created_at", "last_seen_at"]);
      const row = await rows.where("user", "=", member.id).executeTakeFirstOrThrow();
      return row.last_seen_at.getTime() - row.created_at.getTime();
    };
    await me(tab);
    expect(await seen()).toBe(0);
    ahead = 2 * MINUTE;
    try {
      await me(tab);
      expect(await seen()).toBeGreaterThanOrEqual(2 * MINUTE);
    } finally {
      ahead = 0;
    }
  });
});

describe("what a member becomes counts from that moment on", () => {
  it("in the session too", async () => {
    const member = await world.member("admin");
    const tab = await signedIn(world, member);
    expect((await me(tab)).body.organization.role).toBe("admin");
    await write(world.system.context({ kind: "system", job: "test" }), member.organization, async (w) => {
      await w.tx.updateTable("memberships").set({ role: "member" }).where("user", "=", member.id).execute();
      await w.change("principal", member.id);
    });
    expect((await me(tab)).body.organization.role).toBe("member");
    expect((await tab.send("GET", `${org}/audit/verify`)).status).toBe(403);
  });

  it("and another organization's things stay as absent as ever", async () => {
    const stranger = await world.organization("neighbours");
    const tab = await signedIn(world, stranger);
    const [theirs, absent] = [
      await tab.send("GET", `${org}/servers/closed`),
      await tab.send("GET", "/api/v1/organizations/neighbours/servers/closed"),
    ];
    expect([theirs.status, absent.status]).toEqual([404, 404]);
    expect(theirs.body.code).toBe(absent.body.code);
  });
});
