import { sql } from "kysely";
import type { Db } from "../../store/database.ts";
import type { Services } from "../context.ts";

const DAY = 86_400_000;
const KEEP_DAYS = 30;
const AHEAD_DAYS = 3;
/** One maintainer at a time, over all processes of one database. */
const LOCK = 7_400_002;

/** Makes the partitions of the coming days and drops those past their time; dropping a day is one `drop table`. */
export async function maintainPartitions(services: Services): Promise<void> {
  const today = Math.floor(services.clock.now() / DAY);
  for (const table of ["requests", "server_lines"]) {
    for (let day = today; day <= today + AHEAD_DAYS; day++) {
      const name = `${table}_${stamp(day)}`;
      const exists = await sql<{ found: string | null }>`select to_regclass(${name})::text as found`.execute(
        services.db,
      );
      if (exists.rows[0]?.found) continue;
      await makePartition(services.db, table, name, iso(day), iso(day + 1));
    }
    const parts = await sql<{ name: string }>`
      select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = ${table}::regclass`.execute(services.db);
    for (const { name } of parts.rows) {
      const day = /_(\d{8})$/.exec(name)?.[1];
      if (day !== undefined && day < stamp(today - KEEP_DAYS))
        await sql`drop table ${sql.table(name)}`.execute(services.db);
    }
  }
}

/** Rows of that day that came before their partition lie in the default one, and move. */
async function makePartition(db: Db, table: string, name: string, from: string, to: string): Promise<void> {
  const [parent, part, rest] = [sql.table(table), sql.table(name), sql.table(`${table}_default`)];
  await db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(${LOCK})`.execute(tx);
    await sql`create table if not exists ${part} (like ${parent} including defaults)`.execute(tx);
    const attached = await sql`select from pg_inherits where inhrelid = ${name}::regclass`.execute(tx);
    if (attached.rows.length > 0) return;
    await sql`with moved as (delete from ${rest} where at >= ${from} and at < ${to} returning *)
      insert into ${part} select * from moved`.execute(tx);
    await sql`alter table ${parent} attach partition ${part}
      for values from (${sql.lit(from)}) to (${sql.lit(to)})`.execute(tx);
  });
}

function iso(day: number): string {
  return new Date(day * DAY).toISOString();
}

function stamp(day: number): string {
  return iso(day).slice(0, 10).replaceAll("-", "");
}
