import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Check, failed, type Outcome } from "./suite.ts";

/** A check that is known to fail, and why it must. */
export interface Expected {
  /** A scenario, or `scenario:check-id`. */
  readonly entry: string;
  readonly reason: string;
}

/**
 * The expected failures of one run, from `expected/NAME.yml`: a list in the
 * suite's own form, each line with its reason behind a `#`. Absent: none.
 */
export function expectedFailures(name: string): Expected[] {
  const file = join(import.meta.dirname, "expected", `${name}.yml`);
  if (!existsSync(file)) return [];
  return [...readFileSync(file, "utf8").matchAll(/^ {2}- "?([^"#\s]+)"? # (.+)$/gm)].map((match) => ({
    entry: match[1]!,
    reason: match[2]!,
  }));
}

export interface Verdict {
  /** `scenario:check-id (what the suite said)`, for each failure that was not expected. */
  readonly surprises: string[];
  /** Expected failures that did not occur. */
  readonly stale: string[];
}

/**
 * Compares what a run found with what was expected of it. What holds directly
 * at the upstream must not be skipped: a gateway that hides a capability would
 * pass its checks for nothing.
 */
export function judge(
  outcomes: readonly Outcome[],
  expected: readonly Expected[],
  direct: readonly Outcome[] | null,
): Verdict {
  const entries = new Set(expected.map(({ entry }) => entry));
  const used = new Set<string>();
  const surprises: string[] = [];
  for (const outcome of outcomes) {
    for (const { id, errorMessage } of failed(outcome)) {
      const hit = [outcome.scenario, `${outcome.scenario}:${id}`].find((entry) => entries.has(entry));
      if (hit === undefined)
        surprises.push(`${outcome.scenario}:${id} (${errorMessage ?? "no reason given"})`);
      else used.add(hit);
    }
  }
  const held = new Set((direct ?? []).flatMap((outcome) => namesOf(outcome, "SUCCESS")));
  const skipped = outcomes.flatMap((outcome) => namesOf(outcome, "SKIPPED")).filter((name) => held.has(name));
  for (const name of skipped) surprises.push(`${name} (skipped, and holds at the upstream)`);
  return { surprises, stale: [...entries].filter((entry) => !used.has(entry)) };
}

function namesOf({ scenario, checks }: Outcome, wanted: Check["status"]): string[] {
  return checks.filter(({ status }) => status === wanted).map(({ id }) => `${scenario}:${id}`);
}
