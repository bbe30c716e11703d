import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { silentLog } from "../src/lib/log.ts";
import { testCache } from "./cache.ts";
import { startPostgres } from "../src/store/postgres.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where every test world finds PostgreSQL: a URL, or host and password of the one we started. */
    postgres: { url: string } | { host: string; user: string; password: string };
  }
}

/** One real PostgreSQL for the whole run; every world gets a database of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.umask(0o022);
  const url = process.env["DATABASE_URL"];
  if (url) {
    project.provide("postgres", { url });
    return async () => {};
  }
  const folder = mkdtempSync(join(tmpdir(), "offing-test-pg-"));
  const postgres = await startPostgres({
    dataDir: folder,
    cacheDir: testCache,
    log: silentLog,
  });
  const { user, password } = postgres.connection;
  project.provide("postgres", {
    host: join(folder, "pg.sock"),
    user: String(user),
    password: String(password),
  });
  return async () => {
    await postgres.close();
    rmSync(folder, { recursive: true, force: true });
  };
}
