import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { messageOf } from "../lib/log.ts";

export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

const folder = join(import.meta.dirname, "migrations");
/** One migrator at a time, over all processes of one database. */
const LOCK = 7_400_001;

/** Applies what is not applied yet, each file in a transaction of its own, in the order of their names. */
export async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("select pg_advisory_lock($1)", [LOCK]);
    await client.query(`create schema if not exists offing`);
    await client.query(
      `create table if not exists migrations (name text primary key, digest text not null, applied_at timestamptz not null default now())`,
    );
    const applied = await client.query<{ name: string; digest: string }>(
      "select name, digest from migrations",
    );
    const digests = new Map(applied.rows.map((row) => [row.name, row.digest]));
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort()) {
      const sql = await readFile(join(folder, name), "utf8");
      const digest = createHash("sha256").update(sql).digest("hex");
      const known = digests.get(name);
      if (known === digest) continue;
      if (known !== undefined) {
        throw new MigrationError(
          `the migration ${name} was changed after this database applied it; a change needs a new file`,
        );
      }
      await client.query("begin");
      try {
        await client.query(sql);
        await client.query("insert into migrations (name, digest) values ($1, $2)", [name, digest]);
        await client.query("commit");
      } catch (error) {
        await client.query("rollback");
        throw new MigrationError(`the migration ${name} failed: ${messageOf(error)}`, { cause: error });
      }
    }
  } finally {
    await client.query("select pg_advisory_unlock($1)", [LOCK]).catch(() => {});
    client.release();
  }
}
