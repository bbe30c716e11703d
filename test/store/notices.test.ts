import { sql } from "kysely";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Log } from "../../src/lib/log.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { type Notices, openNotices } from "../../src/store/notices.ts";
import { createDatabase } from "../world.ts";

let place: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
let notices: Notices;
let warned: string[];
let rejoined: number;
let refuse: number;

beforeEach(async () => {
  place = await createDatabase();
  warned = [];
  rejoined = 0;
  refuse = 0;
  const log: Log = { info() {}, error() {}, warn: (message) => void warned.push(message) };
  database = await openDatabase(place.connection, log);
  notices = await openNotices(database.connection, log, async () => {
    if (refuse-- > 0) throw new Error("not yet");
    rejoined += 1;
  });
});
afterEach(async () => {
  await notices.close();
  await database.close();
  await place.drop();
});

const listening = async () =>
  (
    await sql<{ n: number }>`select count(*)::int as n from pg_stat_activity
      where query ~* '^listen' and datname = current_database()`.execute(database.db)
  ).rows[0]!.n;
const cut = () =>
  sql`select pg_terminate_backend(pid) from pg_stat_activity
    where query ~* '^listen' and datname = current_database()`.execute(database.db);
const heard = () =>
  new Promise<string | null>((resolve) => {
    const off = notices.on("lines", (subject) => {
      off();
      resolve(subject);
    });
  });

it("a notice reaches its channel's listeners until they leave", async () => {
  const next = heard();
  await notices.send(database.db, "lines", "srv_1");
  expect(await next).toBe("srv_1");
  expect(notices.listening("lines")).toBe(0);
});

it("after a cut connection listeners are told that anything may have changed, and there is one connection again", async () => {
  for (let round = 0; round < 3; round++) {
    const told = heard();
    await cut();
    expect(await told).toBeNull();
    expect(await listening()).toBe(1);
  }
  expect(rejoined).toBe(3);
});

it("attempts that fail do not multiply", async () => {
  refuse = 4;
  const told = heard();
  await cut();
  expect(await told).toBeNull();
  expect(warned.filter((message) => message.includes("not back yet"))).toHaveLength(4);
  const again = heard();
  await cut();
  expect(await again).toBeNull();
  expect(await listening()).toBe(1);
  expect(rejoined).toBe(2);
});
