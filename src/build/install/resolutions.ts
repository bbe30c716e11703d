import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Uv } from "./uv.ts";

/** As long as PyPI lets its pages be cached (`Cache-Control: max-age=600`), and uv caches them. */
const FRESH_MS = 600_000;

/**
 * Resolutions of the last minutes, per organization: the same requirements for
 * the same interpreter and indexes are asked of the index once.
 */
export interface Resolutions {
  /** The lock that the same question got within the last ten minutes. */
  recall(): Promise<string | undefined>;
  keep(lock: string): Promise<void>;
}

/** `question` is what the answer depends on besides interpreter, indexes and uv. */
export async function resolutions(uv: Uv, question: readonly string[]): Promise<Resolutions> {
  const { services, organization } = uv.context;
  const { executable, version, platform } = uv.interpreter;
  // A folder that lists packages may get another one at any time, and then has another time itself.
  const folders = uv.indexes.findLinks.filter((link) => link.startsWith("/"));
  const times = await Promise.all(
    folders.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  const parts = [uv.program, executable, version, platform, uv.indexes, ...times, ...question];
  const key = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  const folder = join(services.dataDir, "organizations", organization, "resolutions");
  const path = join(folder, `${key}.txt`);
  return {
    async recall() {
      return (await isFresh(path)) ? readFile(path, "utf8").catch(() => undefined) : undefined;
    },
    async keep(lock) {
      await mkdir(folder, { recursive: true });
      for (const name of await readdir(folder)) {
        if (!(await isFresh(join(folder, name)))) await rm(join(folder, name), { force: true });
      }
      const fresh = `${path}.${process.pid}.${process.hrtime.bigint()}`;
      await writeFile(fresh, lock);
      await rename(fresh, path);
    },
  };
}

async function isFresh(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Math.abs(Date.now() - found.mtimeMs) < FRESH_MS;
}
