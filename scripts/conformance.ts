import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { documentOf } from "../test/conformance/document.ts";
import { startGateway } from "../test/conformance/gateway.ts";
import { carryOut, type Run, runs } from "../test/conformance/runs.ts";
import { failed, revisions, runSuite } from "../test/conformance/suite.ts";
import { openStand, type UpstreamName, upstreams } from "../test/conformance/stand.ts";

/**
 * Runs the official MCP conformance suite through a gateway, and beside it at
 * the upstreams themselves, and writes docs/conformance.md. With
 * `--scenario NAME` (it may be repeated) only those, told in full, and no page;
 * `--upstream modern|legacy`, `--revision REV` and `--direct` choose where.
 * Exit code 1 when a check fails that must not.
 */
const page = join(import.meta.dirname, "../docs/conformance.md");

const { values } = parseArgs({
  options: {
    scenario: { type: "string", multiple: true },
    upstream: { type: "string" },
    revision: { type: "string" },
    direct: { type: "boolean" },
  },
});
for (const [name, value, known] of [
  ["--upstream", values.upstream, Object.keys(upstreams)],
  ["--revision", values.revision, [...revisions]],
] satisfies [string, string | undefined, string[]][]) {
  if (value === undefined || known.includes(value)) continue;
  console.error(`${name} is one of ${known.join(", ")}`);
  process.exit(2);
}
const chosen =
  values.scenario !== undefined || values.upstream !== undefined || values.revision !== undefined;
await using gateway = await startGateway();
process.exitCode = (await (chosen ? some() : all())) ? 0 : 1;

/** The runs that were asked for, each check that did not hold told. */
async function some(): Promise<boolean> {
  let good = true;
  for (const upstream of Object.keys(upstreams) as UpstreamName[]) {
    if (values.upstream !== undefined && values.upstream !== upstream) continue;
    await using stand = await openStand(upstream, gateway.access);
    const url = values.direct === true ? stand.direct : stand.through;
    for (const revision of revisions) {
      if (values.revision !== undefined && values.revision !== revision) continue;
      const { scenario: scenarios } = values;
      const target = { leg: "server", url } as const;
      const outcomes = await runSuite({
        revision,
        target,
        ...(scenarios === undefined ? {} : { scenarios }),
      });
      for (const outcome of outcomes) {
        const bad = failed(outcome);
        good &&= bad.length === 0;
        console.log(`${bad.length === 0 ? "holds" : "FAILS"}  ${upstream} ${revision} ${outcome.scenario}`);
        for (const { id, status, errorMessage } of outcome.checks) {
          if (status === "FAILURE" || status === "WARNING")
            console.log(`         ${status} ${id}: ${errorMessage}`);
        }
      }
    }
  }
  return good;
}

async function all(): Promise<boolean> {
  const done: Run[] = [];
  for (const plan of runs) {
    const run = await carryOut(plan, gateway.access);
    done.push(run);
    const { surprises, stale } = run.verdict;
    const good = surprises.length + stale.length === 0;
    console.log(`${good ? "as expected" : "DIFFERS    "}  ${run.title}`);
    for (const line of surprises) console.log(`             ${line}`);
    for (const line of stale) console.log(`             does not fail any more: ${line}`);
  }
  writeFileSync(page, documentOf(done));
  console.log("written: docs/conformance.md");
  return done.every(({ verdict }) => verdict.surprises.length + verdict.stale.length === 0);
}
