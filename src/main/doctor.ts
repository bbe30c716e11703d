import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readIndexes } from "../build/install/indexes.ts";
import { pinnedUv } from "../build/install/tool.ts";
import { pageOf, reach } from "../build/tools/wheel.ts";
import { print, printJson, red, visible } from "../cli/output.ts";
import { type Config, ConfigError, readEnv, toConfig } from "../config.ts";
import { messageOf } from "../lib/log.ts";
import { browser } from "./doctor/browser.ts";
import { type Check, type Machine, type Probe, settle } from "./doctor/check.ts";
import { isolation } from "./doctor/isolation.ts";
import { readPackages } from "./doctor/packages.ts";
import { cacheFolder, dataFolder, links, port, program } from "./doctor/places.ts";
import { downloads, index, python, uv } from "./doctor/pythons.ts";
import { postgresql, valkey } from "./doctor/stores.ts";
import { git, node, platform, ssh } from "./doctor/tools.ts";

const usage = `usage: ./offing doctor [--json]
  Say what this machine has and lacks, and how to get it; nothing is installed
`;

/** In the order of the report. */
const probes: readonly Probe[] = [
  platform,
  node,
  git,
  ssh,
  python,
  downloads,
  uv,
  index,
  isolation,
  postgresql,
  valkey,
  dataFolder,
  cacheFolder,
  links,
  port,
  program,
  browser,
];

const INDEX_WITHIN_MS = 10_000;
/** After the report: a probe that hangs must not keep the program. */
const END_WITHIN_MS = 1000;

/**
 * Runs every probe, each within its time, and reports. Resolves with the exit
 * code: 0 when what `up` and `deploy` need is there, 1 when not, 2 for usage.
 */
export async function doctor(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let json: boolean;
  let config: Config;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help === true) {
      process.stdout.write(usage);
      return 0;
    }
    json = values.json === true;
    config = toConfig(readEnv(env));
  } catch (error) {
    process.stderr.write(`offing doctor: ${messageOf(error)}\n${error instanceof ConfigError ? "" : usage}`);
    return 2;
  }
  const scratches: string[] = [];
  const clean = () => {
    for (const path of scratches.splice(0)) rmSync(path, { recursive: true, force: true });
  };
  process.once("exit", clean);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => process.exit(1));
  const machine = machineOf(config, env, scratches);
  const checks = (await Promise.all(probes.map((probe) => settle(probe, machine)))).flat();
  const ok = !checks.some(({ needed }) => needed);
  if (json) printJson({ ok, checks });
  else print(report(checks));
  clean();
  setTimeout(() => process.exit(ok ? 0 : 1), END_WITHIN_MS).unref();
  return ok ? 0 : 1;
}

function machineOf(config: Config, env: NodeJS.ProcessEnv, scratches: string[]): Machine {
  let problem: Promise<string | null> | undefined;
  return {
    config,
    env,
    packages: readPackages(process.getuid?.() === 0),
    indexProblem: () => (problem ??= askIndex(env)),
    scratch(parent = tmpdir()) {
      const path = mkdtempSync(join(existsSync(parent) ? parent : tmpdir(), "offing-doctor-"));
      chmodSync(path, 0o700);
      scratches.push(path);
      return path;
    },
  };
}

async function askIndex(env: NodeJS.ProcessEnv): Promise<string | null> {
  const signal = AbortSignal.timeout(INDEX_WITHIN_MS);
  try {
    const indexes = await readIndexes(env);
    await reach(pageOf(indexes.index, pinnedUv.package), indexes.certificates, signal);
    return null;
  } catch (error) {
    return signal.aborted ? `no answer within ${INDEX_WITHIN_MS / 1000} seconds` : messageOf(error);
  }
}

function report(checks: readonly Check[]): string {
  const columns = process.stdout.columns || 110;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, state, found, means, fix }) => {
    const head = `  ${state.padEnd(7)}  ${name.padEnd(width)}  `;
    const below = " ".repeat(head.length);
    const words = wrapped(visible(found), Math.max(40, columns - below.length)).join(`\n${below}`);
    const first = `${state === "missing" ? red(head) : head}${words}`;
    return state === "ok"
      ? [first]
      : [first, `${below}${means}`, ...(fix === null ? [] : [`${below}→ ${visible(fix)}`])];
  });
  const lacks = checks.filter(({ needed }) => needed).map(({ name }) => name);
  const end =
    lacks.length === 0
      ? "What ./offing up and ./offing deploy need is here."
      : `./offing up or ./offing deploy will fail for lack of: ${lacks.join(", ")}`;
  return ["", ...lines, "", end, ""].join("\n");
}

/** Lines of at most `width` characters, broken between words; a command to copy is never broken. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
