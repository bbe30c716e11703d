import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../src/lib/log.ts";
import { startPostgres } from "../src/store/postgres.ts";

/** Runs the PostgreSQL that Offing brings over `FOLDER` and prints its URL, until it is told to stop. */
const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: node scripts/postgres.ts FOLDER");
mkdirSync(folder, { recursive: true, mode: 0o700 });
const log = createLog((line) => void process.stderr.write(line));
const postgres = await startPostgres({ dataDir: folder, cacheDir: join(folder, "cache"), log });
const { user, password } = postgres.connection;
console.log(
  `postgres://${String(user)}:${String(password)}@/postgres?host=${encodeURIComponent(join(folder, "pg.sock"))}`,
);
process.on("SIGTERM", () => void postgres.close().then(() => process.exit(0)));
