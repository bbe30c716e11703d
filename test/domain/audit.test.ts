import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openWorld, type World } from "../world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const at = { organization: "default" };
const verify = () => world.owner.client.call("verifyAudit", at);
const db = () => world.system.services.db;

describe("the audit chain", () => {
  beforeEach(async () => {
    await world.owner.client.call("createKey", at, { label: "one more row" });
  });

  it("is whole after verbs have run, and its checkpoints come with a clean stop", async () => {
    expect(await verify()).toMatchObject({ intact: true, problem: null });
    await world.restart();
    const report = await verify();
    expect(report.intact).toBe(true);
    expect(report.checkpoints).toBeGreaterThan(0);
  });

  it("names a row that was changed", async () => {
    const row = await db()
      .selectFrom("audit")
      .select(["seq", "action"])
      .where("organization", "=", world.owner.organization)
      .orderBy("seq")
      .executeTakeFirstOrThrow();
    await db().updateTable("audit").set({ action: "key.forge" }).where("seq", "=", row.seq).execute();
    expect((await verify()).problem).toBe(`row ${row.seq} is not the one that was written`);
    await db().updateTable("audit").set({ action: row.action }).where("seq", "=", row.seq).execute();
    expect((await verify()).intact).toBe(true);
  });

  it("names a row that was removed from the middle", async () => {
    const row = await db().selectFrom("audit").selectAll().where("seq", "=", "2").executeTakeFirstOrThrow();
    await db().deleteFrom("audit").where("seq", "=", "2").execute();
    expect((await verify()).problem).toContain("row 2 is missing");
    await db()
      .insertInto("audit")
      .values({ ...row, actor: JSON.stringify(row.actor), detail: JSON.stringify(row.detail) })
      .execute();
    expect((await verify()).intact).toBe(true);
  });

  it("knows of a tail that was cut off behind a checkpoint, even when the head was set back with it", async () => {
    await world.restart();
    const last = await db().selectFrom("audit").selectAll().orderBy("seq", "desc").executeTakeFirstOrThrow();
    await db().deleteFrom("audit").where("seq", "=", last.seq).execute();
    await db()
      .updateTable("audit_heads")
      .set({ seq: String(Number(last.seq) - 1), hash: last.previous })
      .execute();
    expect((await verify()).problem).toContain(`before its checkpoint at row ${last.seq}`);
  });

  it("is for admins of the organization", async () => {
    const member = await world.member("member");
    await expect(member.client.call("verifyAudit", at)).rejects.toMatchObject({ code: "forbidden" });
  });
});
