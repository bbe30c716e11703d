import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const at = { organization: "default" };

describe("keys", () => {
  it("a new key works at once and names its principal", async () => {
    const made = await world.owner.client.call("createKey", at, { label: "ci" });
    const me = await createClient({ url: world.url, key: made.key }).call("me", {});
    expect(me.principal.id).toBe(world.owner.id);
    expect(me.organization).toMatchObject({ slug: "default", role: "owner" });
  });

  it("a revoked key opens nothing from the moment that the revocation is answered", async () => {
    const made = await world.owner.client.call("createKey", at, {});
    const client = createClient({ url: world.url, key: made.key });
    await client.call("me", {});
    await world.owner.client.call("revokeKey", { ...at, key: made.id });
    await expect(client.call("me", {})).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("no stored row holds the key itself", async () => {
    const made = await world.owner.client.call("createKey", at, { label: "canary" });
    const rows = await world.system.services.db.selectFrom("keys").selectAll().execute();
    expect(JSON.stringify(rows)).toContain(made.id);
    expect(JSON.stringify(rows)).not.toContain(made.key);
    const audit = await world.system.services.db.selectFrom("audit").selectAll().execute();
    expect(JSON.stringify(audit)).not.toContain(made.key);
  });

  it("a member sees and revokes own keys only; another's key is as absent", async () => {
    const member = await world.member("member");
    const mine = await member.client.call("createKey", at, {});
    const { items } = await member.client.call("listKeys", at);
    expect(new Set(items.map((key) => key.principal.id))).toEqual(new Set([member.id]));
    const foreign = (await world.owner.client.call("listKeys", at)).items.find(
      (key) => key.principal.id === world.owner.id,
    )!;
    await expect(member.client.call("revokeKey", { ...at, key: foreign.id })).rejects.toMatchObject({
      code: "not_found",
    });
    await member.client.call("revokeKey", { ...at, key: mine.id });
  });

  it("an answer that holds a key is never kept for an idempotency key", async () => {
    const attempt = world.owner.client.call("createKey", at, {}, { idempotencyKey: "again" });
    await expect(attempt).rejects.toMatchObject({ code: "invalid" });
  });
});

describe("the owner's key file", () => {
  it("comes again with a new key when it was lost", async () => {
    const { rmSync, readFileSync, statSync } = await import("node:fs");
    rmSync(world.system.ownerKeyFile);
    await world.restart();
    const key = readFileSync(world.system.ownerKeyFile, "utf8").trim();
    expect(statSync(world.system.ownerKeyFile).mode & 0o777).toBe(0o600);
    expect(key).not.toBe(world.owner.key);
    const me = await createClient({ url: world.url, key }).call("me", {});
    expect(me.principal.id).toBe(world.owner.id);
  });
});
