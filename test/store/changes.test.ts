import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { type Change, type Changes, openChanges } from "../../src/store/changes.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { type Notices, openNotices } from "../../src/store/notices.ts";
import { createDatabase } from "../world.ts";

let place: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let notices: Notices;
let changes: Changes;
let seen: Change[];

beforeEach(async () => {
  place = await createDatabase();
  database = await openDatabase(place.connection, silentLog);
  notices = await openNotices(database.connection, silentLog);
  changes = openChanges(database.db, notices, silentLog);
  seen = [];
  await changes.follow(async (batch) => void seen.push(...batch));
});
afterEach(async () => {
  await changes.close();
  await notices.close();
  await database.close();
  await place.drop();
});

const append = (subject: string) =>
  database.db.transaction().execute(async (tx) => {
    await changes.append(tx, { organization: "o", kind: "key", subject });
    return changes.transactionId(tx);
  });
const subjects = () => seen.map((change) => change.subject);

describe("the change log", () => {
  it("is applied here once `applied` resolves", async () => {
    await changes.applied(await append("a"));
    expect(subjects()).toContain("a");
  });

  it("delivers every change exactly once over many concurrent writers", async () => {
    const names = Array.from({ length: 60 }, (_, index) => `n${index}`);
    const xids = await Promise.all(names.map(append));
    await Promise.all(xids.map((xid) => changes.applied(xid)));
    expect(subjects().toSorted()).toEqual(names.toSorted());
  });

  it("neither waits for a transaction that took its place early and commits late, nor passes over it", async () => {
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const late = database.db.transaction().execute(async (tx) => {
      await changes.append(tx, { organization: "o", kind: "key", subject: "late" });
      begun.resolve();
      await finish.promise;
      return changes.transactionId(tx);
    });
    await begun.promise;
    await changes.applied(await append("early"));
    await changes.applied(await append("another"));
    expect(subjects()).toEqual(["early", "another"]);
    finish.resolve();
    await changes.applied(await late);
    await changes.applied(await append("after"));
    expect(subjects()).toEqual(["early", "another", "late", "after"]);
  });

  it("leaves nothing of a transaction that was rolled back", async () => {
    const failed = database.db.transaction().execute(async (tx) => {
      await changes.append(tx, { organization: "o", kind: "key", subject: "never" });
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    await changes.applied(await append("after"));
    expect(subjects()).toEqual(["after"]);
  });

  it("catches up after the listening connection was cut", async () => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()`.execute(
      database.db,
    );
    await changes.applied(await append("b"));
    expect(subjects()).toContain("b");
  });
});
