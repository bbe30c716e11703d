import { Kysely, PostgresDialect, type Transaction } from "kysely";
import pg from "pg";
import type { Log } from "../lib/log.ts";
import { migrate } from "./migrate.ts";
import type { Tables } from "./tables.ts";

export type Db = Kysely<Tables>;
export type Tx = Transaction<Tables>;

export interface Database {
  readonly db: Db;
  readonly pool: pg.Pool;
  /** What a further connection needs: for the listener. */
  readonly connection: pg.PoolConfig;
  close(): Promise<void>;
}

/** Opens the pool and brings the schema up to date. Our tables live in the schema `offing`. */
export async function openDatabase(connection: pg.PoolConfig, log: Log, max = 12): Promise<Database> {
  const database = joinDatabase(connection, log, max);
  await migrate(database.pool);
  return database;
}

/** Opens a pool of at most `max` connections, over a schema that is up to date. */
export function joinDatabase(connection: pg.PoolConfig, log: Log, max: number): Database {
  const config: pg.PoolConfig = {
    ...connection,
    options: "-c search_path=offing",
    application_name: "offing",
  };
  const pool = new pg.Pool({ ...config, max });
  let closed = false;
  const broke = (error: Error) => {
    if (!closed) log.warn("a database connection broke", { error: error.message });
  };
  pool.on("error", broke);
  pool.on("connect", (client) => client.on("error", broke));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    pool,
    connection: config,
    close: () => {
      closed = true;
      return db.destroy();
    },
  };
}
