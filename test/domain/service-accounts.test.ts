import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const at = { organization: "default" };

describe("a service account that is removed", () => {
  it("may nothing from the moment that its removal is answered, also under a new account of its name", async () => {
    const { client } = world.owner;
    const account = await client.call("createServiceAccount", at, { slug: "robot" });
    const made = await client.call("createKey", at, { serviceAccount: "robot" });
    const robot = createClient({ url: world.url, key: made.key });
    expect((await robot.call("me", {})).principal.id).toBe(account.id);
    await client.call("removeServiceAccount", { ...at, principal: account.id });
    await expect(robot.call("me", {})).rejects.toMatchObject({ code: "unauthenticated" });
    expect((await client.call("listServiceAccounts", at)).items).toEqual([]);
    const again = await client.call("createServiceAccount", at, { slug: "robot" });
    expect(again.id).not.toBe(account.id);
    await expect(robot.call("me", {})).rejects.toMatchObject({ code: "unauthenticated" });
    const key = (await client.call("listKeys", at)).items.find(({ id }) => id === made.id);
    expect(key).toMatchObject({ principal: { id: account.id, kind: "service_account" } });
    expect(key?.revokedAt).not.toBeNull();
  });

  it("is removed by admins only, once, and leaves its trace in the audit chain", async () => {
    const { client } = world.owner;
    const account = await client.call("createServiceAccount", at, { slug: "cleaner" });
    const member = await world.member("member");
    const gone = { ...at, principal: account.id };
    await expect(member.client.call("removeServiceAccount", gone)).rejects.toMatchObject({
      code: "forbidden",
    });
    await client.call("removeServiceAccount", gone);
    await expect(client.call("removeServiceAccount", gone)).rejects.toMatchObject({ code: "not_found" });
    const rows = await world.system.services.db
      .selectFrom("audit")
      .select(["action", "subject"])
      .where("subject", "=", account.id)
      .execute();
    expect(rows.map(({ action }) => action)).toEqual(["service_account.create", "service_account.remove"]);
    expect((await client.call("verifyAudit", at)).intact).toBe(true);
  });

  it("is a user's id to nobody: a user cannot be removed this way", async () => {
    const member = await world.member("member");
    const at = { organization: "default", principal: member.id };
    await expect(world.owner.client.call("removeServiceAccount", at)).rejects.toMatchObject({
      code: "not_found",
    });
    expect((await member.client.call("me", {})).principal.id).toBe(member.id);
  });
});
