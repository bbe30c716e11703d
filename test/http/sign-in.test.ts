import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { auditSigner } from "../../src/domain/audit/checkpoint.ts";
import { maintain } from "../../src/domain/maintain.ts";
import { systemClock } from "../../src/lib/clock.ts";
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

const audited = async () =>
  (await world.system.services.db.selectFrom("audit").selectAll().orderBy("seq").execute()).map(
    ({ action, subject }) => `${action} ${subject.slice(0, 3)}`,
  );

describe("a sign-in link", () => {
  it("signs its maker in, and the cookie then stands for a key", async () => {
    const member = await world.member("member");
    const tab = openTab(world);
    const answer = await tab.signIn(await newLink(member));
    expect(answer.body).toMatchObject({ principal: { id: member.id }, organization: { slug: "default" } });
    expect((await me(tab)).body.principal.id).toBe(member.id);
    expect((await tab.send("GET", `${org}/keys`)).body.items).toHaveLength(1);
  });

  it("is for the address that the program is known by, and lasts 15 minutes", async () => {
    const { url, expiresAt } = await world.owner.client.call("createSignInLink", { organization: "default" });
    expect(url).toMatch(new RegExp(`^${world.url}/sign-in#token=\\w+$`));
    expect(Math.abs(Date.parse(expiresAt) - Date.now() - 15 * MINUTE)).toBeLessThan(MINUTE);
  });

  it("is not used up by who only fetches it, as a preview of it in a chat does", async () => {
    const link = await newLink(world.owner);
    for (const method of ["GET", "HEAD"]) {
      const response = await fetch(link, { method });
      expect(response.headers.getSetCookie()).toEqual([]);
    }
    expect((await openTab(world).signIn(link)).status).toBe(200);
  });

  it("opens once; who comes second is told so, and how to get another", async () => {
    const link = await newLink(world.owner);
    await openTab(world).signIn(link);
    const second = openTab(world);
    const { status, body } = await second.signIn(link);
    expect([status, body.code, second.set]).toEqual([401, "unauthenticated", []]);
    expect(body.detail).toContain("used already");
    expect(body.hint).toContain("./offing sign-in");
  });

  it("gives one session to twenty who come at once", async () => {
    const link = await newLink(world.owner);
    const tabs = Array.from({ length: 20 }, () => openTab(world));
    const statuses = await Promise.all(tabs.map(async (tab) => (await tab.signIn(link)).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 401)).toHaveLength(19);
    expect(tabs.filter((tab) => tab.cookie !== "")).toHaveLength(1);
  });

  it("that has expired says so", async () => {
    const link = await newLink(world.owner);
    ahead = 15 * MINUTE + 1000;
    try {
      const { status, body } = await openTab(world).signIn(link);
      expect(status).toBe(401);
      expect(body.detail).toContain("has expired");
      expect(body.hint).toContain("./offing sign-in");
    } finally {
      ahead = 0;
    }
  });

  it.each(["", "offlink_wrong", "x".repeat(200)])("that is none (%j) opens nothing", async (token) => {
    const tab = openTab(world);
    const { status, body } = await tab.send("POST", "/api/v1/web-session", { body: { token } });
    expect([status, body.code, tab.set]).toEqual([401, "unauthenticated", []]);
  });

  it("opens nothing once the key that made it is revoked, or its maker has left", async () => {
    const at = { organization: "default" };
    const made = await world.owner.client.call("createKey", at, {});
    const { url } = await createClient({ url: world.url, key: made.key }).call("createSignInLink", at);
    await world.owner.client.call("revokeKey", { ...at, key: made.id });
    expect((await openTab(world).signIn(url)).body.detail).toContain("was revoked");

    const member = await world.member("member");
    const link = await newLink(member);
    await leave(world, member);
    expect((await openTab(world).signIn(link)).status).toBe(401);
  });

  it("is for people: a service account gets none", async () => {
    const at = { organization: "default" };
    await world.owner.client.call("createServiceAccount", at, { slug: "robot" });
    const { key } = await world.owner.client.call("createKey", at, { serviceAccount: "robot" });
    const asked = createClient({ url: world.url, key }).call("createSignInLink", at);
    await expect(asked).rejects.toMatchObject({ code: "forbidden" });
  });

  it("cannot be made by a browser that is signed in: one session would outlive itself", async () => {
    const tab = await signedIn(world, world.owner);
    const { status, body } = await tab.send("POST", `${org}/sign-in-links`, { body: {} });
    expect([status, body.code]).toEqual([403, "forbidden"]);
  });
});

describe("the audit trail", () => {
  it("says who made a link, signed in and signed out", async () => {
    const member = await world.member("member");
    const before = (await audited()).length;
    const tab = await signedIn(world, member);
    await tab.send("DELETE", "/api/v1/web-session", { body: {} });
    expect((await audited()).slice(before)).toEqual([
      "sign_in_link.create lnk",
      "web_session.create web",
      "web_session.end web",
    ]);
    expect((await world.owner.client.call("verifyAudit", { organization: "default" })).intact).toBe(true);
  });
});

describe("maintenance", () => {
  it("forgets sessions that are over, and links a day later, and nothing that still counts", async () => {
    const { db } = world.system.services;
    const { privateKey } = generateKeyPairSync("ed25519");
    const signer = auditSigner("test", privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    const tab = await signedIn(world, world.owner);
    const count = async () => [
      (await db.selectFrom("sign_in_links").select("id").execute()).length,
      (await db.selectFrom("web_sessions").select("id").execute()).length,
    ];
    const [links, sessions] = await count();
    expect(links).toBeGreaterThan(0);
    await maintain(world.system.services, signer);
    expect(await count()).toEqual([links, sessions]);
    expect((await me(tab)).status).toBe(200);
    try {
      ahead = DAY + 16 * MINUTE;
      await maintain(world.system.services, signer);
      expect(await count()).toEqual([0, sessions]);
      ahead = 7 * DAY + MINUTE;
      await maintain(world.system.services, signer);
      expect(await count()).toEqual([0, 0]);
    } finally {
      ahead = 0;
    }
  });
});
