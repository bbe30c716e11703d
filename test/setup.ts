import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { silentLog } from "../src/lib/log.ts";
import { startPostgres } from "../src/store/postgres.ts";
import { testCache } from "./cache.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where every test world finds PostgreSQL: a URL, or host and password of the one we started. */
    postgres: { url: string } | { host: string; user: string; password: string };
  }
}

/** One real PostgreSQL for the whole run; every world gets a database of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.umask(0o022);
  // What tests leave lies in one folder, which goes with the run; tools and wheels are kept for the next one.
  process.env["OFFING_TEST_CACHE"] = testCache;
  const folder = mkdtempSync(join(tmpdir(), "offing-tests-"));
  chmodSync(folder, 0o755);
  process.env["TMPDIR"] = folder;
  const clean = () => rmSync(folder, { recursive: true, force: true });
  const url = process.env["DATABASE_URL"];
  if (url) {
    project.provide("postgres", { url });
    return async () => clean();
  }
  const dataDir = join(folder, "postgres");
  mkdirSync(dataDir, { mode: 0o700 });
  const postgres = await startPostgres({ dataDir, cacheDir: testCache, log: silentLog });
  const { user, password } = postgres.connection;
  project.provide("postgres", {
    host: join(dataDir, "pg.sock"),
    user: String(user),
    password: String(password),
  });
  return async () => {
    await postgres.close();
    clean();
  };
}
