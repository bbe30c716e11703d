import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const home = join(import.meta.dirname, "../../node_modules/@modelcontextprotocol/conformance");
const program = join(home, "dist/index.js");

export const revisions = ["2026-07-28", "2025-11-25"] as const;
export type Revision = (typeof revisions)[number];
export type Leg = "server" | "client";

export interface Check {
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  readonly errorMessage?: string;
}

/** What came of one scenario. */
export interface Outcome {
  readonly scenario: string;
  /** Whether the revision's requirement set counts it. */
  readonly scored: boolean;
  readonly checks: readonly Check[];
}

export interface SuiteRun {
  readonly revision: Revision;
  /** What is judged: the URL of a server, or the command of a client, to which the suite appends a URL. */
  readonly target:
    | { readonly leg: "server"; readonly url: string }
    | { readonly leg: "client"; readonly command: string };
  /** What its processes find in their environment besides ours. */
  readonly env?: object;
  /** Only these; without, the whole requirement set and what the suite runs beside it. */
  readonly scenarios?: readonly string[];
}

/** Milliseconds for one start of the suite. */
const PATIENCE_MS = 180_000;

/** Runs the official conformance suite and reads what it found. Throws where it did not come to an end. */
export async function runSuite(run: SuiteRun): Promise<Outcome[]> {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  try {
    const { scenarios } = run;
    if (scenarios === undefined) await start(run, ["--requirements", run.revision], folder);
    for (const scenario of scenarios ?? []) {
      await start(run, ["--scenario", scenario, "--spec-version", run.revision], folder);
    }
    return outcomes(folder, run);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start({ target, env }: SuiteRun, which: string[], folder: string): Promise<void> {
  const what = target.leg === "server" ? ["--url", target.url] : ["--command", target.command];
  const child = spawn(process.execPath, [program, target.leg, ...what, ...which, "-o", folder], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE_MS,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  // 1 stands for failed checks too: what was written tells.
  if (code === null || (code !== 0 && readdirSync(folder).length === 0)) {
    throw new Error(`The conformance suite ended early (${String(code)}):\n${said.slice(-2_000)}`);
  }
}

/** One folder a scenario: `{leg}-{scenario}-{time}`, the time with dashes for its colons and points. */
function outcomes(folder: string, { revision, target }: SuiteRun): Outcome[] {
  const scored = new Set(scoredScenarios(revision, target.leg));
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("checks.json"))
    .map((path) => {
      const scenario = path
        .slice(0, -"/checks.json".length)
        .replace(/^(?:server|client)-/, "")
        .replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, "");
      const checks = JSON.parse(readFileSync(join(folder, path), "utf8")) as Check[];
      return { scenario, scored: scored.has(scenario), checks };
    })
    .sort((a, b) => (a.scenario < b.scenario ? -1 : 1));
}

/** The scenarios that count, as the suite's own requirement file lists them. */
export function scoredScenarios(revision: Revision, leg: Leg): string[] {
  const text = readFileSync(join(home, "requirements", `${revision}.yaml`), "utf8");
  const section = new RegExp(`^${leg}:\\n((?:  - .*\\n)+)`, "m").exec(text)?.[1] ?? "";
  return [...section.matchAll(/^ {2}- (\S+)$/gm)].map((match) => match[1]!);
}

export const version = (JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as { version: string })
  .version;

/** The checks of a scenario that did not hold; a warning stands for a SHOULD. */
export function failed({ checks }: Outcome): Check[] {
  return checks.filter(({ status }) => status === "FAILURE" || status === "WARNING");
}

/** Whether something was shown of a scenario, and nothing against it. */
export function passed(outcome: Outcome): boolean {
  return failed(outcome).length === 0 && outcome.checks.some(({ status }) => status === "SUCCESS");
}
