import { join } from "node:path";
import type { Access } from "./gateway.ts";
import { type Expected, expectedFailures, judge, type Verdict } from "./expected.ts";
import { openStand, type UpstreamName } from "./stand.ts";
import { type Outcome, type Revision, runSuite, scoredScenarios } from "./suite.ts";

/** One way to run the suite: its server scenarios over an upstream, or its client scenarios. */
export interface Plan {
  /** Also names the file of expected failures. */
  readonly name: string;
  readonly title: string;
  readonly revision: Revision;
  /** Null for the client scenarios, whose servers are the suite's own. */
  readonly upstream: UpstreamName | null;
  /** Whether the upstream speaks the revision itself, so that a run at it tells what to expect. */
  readonly spoken: boolean;
}

export interface Run extends Plan {
  readonly through: readonly Outcome[];
  /** The same at the upstream itself, where it speaks the revision. */
  readonly direct: readonly Outcome[] | null;
  readonly expected: readonly Expected[];
  readonly verdict: Verdict;
}

const server = (upstream: UpstreamName, revision: Revision): Plan => ({
  name: `${upstream}-${revision}`,
  title: `${revision} over the ${upstream} upstream`,
  revision,
  upstream,
  spoken: upstream === (revision === "2026-07-28" ? "modern" : "legacy"),
});

const client = (revision: Revision): Plan => ({
  name: `client-${revision}`,
  title: `${revision}, client scenarios`,
  revision,
  upstream: null,
  spoken: false,
});

export const runs: readonly Plan[] = [
  server("modern", "2026-07-28"),
  server("modern", "2025-11-25"),
  server("legacy", "2025-11-25"),
  server("legacy", "2026-07-28"),
  client("2026-07-28"),
  client("2025-11-25"),
];

const command = `"${process.execPath}" "${join(import.meta.dirname, "client.ts")}"`;

/** Carries out one plan at a gateway that runs. */
export async function carryOut(plan: Plan, access: Access): Promise<Run> {
  const { revision } = plan;
  const expected = expectedFailures(plan.name);
  if (plan.upstream === null) {
    const target = { leg: "client", command } as const;
    const through = await runSuite({ revision, target, env: access, scenarios: clientScenarios(revision) });
    return { ...plan, through, direct: null, expected, verdict: judge(through, expected, null) };
  }
  await using stand = await openStand(plan.upstream, access);
  const at = (url: string) => runSuite({ revision, target: { leg: "server", url } });
  const through = await at(stand.through);
  const direct = plan.spoken ? await at(stand.direct) : null;
  return { ...plan, through, direct, expected, verdict: judge(through, expected, direct) };
}

/** Those of authorization belong to the servers' credentials, not to how they are spoken to. */
export function clientScenarios(revision: Revision): string[] {
  const scored = scoredScenarios(revision, "client").filter((name) => !name.startsWith("auth/"));
  return [...scored, "json-schema-2020-12-preservation"];
}
