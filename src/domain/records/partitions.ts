import { sql } from "kysely";
import type { Services } from "../context.ts";

const DAY = 86_400_000;
const KEEP_DAYS = 30;
const AHEAD_DAYS = 3;

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
      await sql`create table if not exists ${sql.table(name)} partition of ${sql.table(table)}
        for values from (${sql.lit(iso(day))}) to (${sql.lit(iso(day + 1))})`.execute(services.db);
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

function iso(day: number): string {
  return new Date(day * DAY).toISOString();
}

function stamp(day: number): string {
  return iso(day).slice(0, 10).replaceAll("-", "");
}
