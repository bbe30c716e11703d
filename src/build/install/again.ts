import { setTimeout as sleep } from "node:timers/promises";
import type { ChildResult } from "../child.ts";
import { normalizeName } from "../plan/requirements.ts";
import type { Locked } from "./lock.ts";
import type { Uv } from "./uv.ts";

/** Milliseconds before each repetition. */
const PAUSES = [2_000, 5_000, 10_000] as const;
/** uv itself has asked four times before it says that an index does not answer. */
const MOST_UNANSWERED = 2;

/** Code of a package has run and failed: that it will do again. */
const BUILD_FAILED = /build backend|Call to `/;
const UNANSWERED =
  /HTTP status (?:server error \(5\d\d[^)]{0,60}\)|client error \((?:408|429)[^)]{0,60}\))|connection reset|connection closed before|operation timed out|timed out/i;
const LACKED =
  /there (?:is no version|are no versions) of ([A-Za-z0-9][\w.-]{0,200})==|(?<![\w.-])([A-Za-z0-9][\w.-]{0,200}) was not found in the package registry/g;

/**
 * Runs uv, and again after a pause where its failure may pass by itself: an
 * index did not answer, or lacks what a lock (`chosen`) names, as one of several
 * machines behind an address does that has not heard of a release yet. `run` is
 * given the flags that keep uv from taking its word from the cache. What fails
 * for good is not repeated. Rejects with the signal's reason when aborted.
 */
export async function again<T extends ChildResult>(
  uv: Uv,
  run: (refresh: readonly string[]) => Promise<T>,
  chosen: readonly Locked[] = [],
): Promise<T> {
  const { services, signal, say } = uv.context;
  const pause = services.pause ?? pauseFor;
  const names = new Map(chosen.map(({ name, requirement }) => [name, requirement.split(" ")[0]]));
  const refresh = new Set<string>();
  for (let repeated = 0; ; repeated++) {
    const result = await run([...refresh].flatMap((name) => ["--refresh-package", name]));
    const ms = PAUSES[repeated];
    if (result.code === 0 || ms === undefined || uv.refused() || BUILD_FAILED.test(result.err)) return result;
    const lacked = [...result.err.matchAll(LACKED)]
      .map((match) => normalizeName(match[1] ?? match[2] ?? ""))
      .filter((name) => names.has(name));
    const unanswered = repeated < MOST_UNANSWERED ? UNANSWERED.exec(result.err)?.[0] : undefined;
    if (lacked.length === 0 && unanswered === undefined) return result;
    for (const name of lacked) refresh.add(name);
    const why =
      lacked.length > 0
        ? `the package index lacks ${[...new Set(lacked)].map((name) => names.get(name)).join(", ")} just now, which the lock names`
        : `the package index did not answer (${unanswered})`;
    say(`${why}; asking again in ${ms / 1000} seconds`);
    await pause(ms, signal);
  }
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal });
}
