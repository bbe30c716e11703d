import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../src/lib/log.ts";
import { indexHosts, readIndexes } from "../src/build/install/indexes.ts";
import { testCache } from "../test/cache.ts";
import { startProgram } from "../test/program.ts";
import { documentOf } from "./compatibility/document.ts";
import { packages } from "./compatibility/packages.ts";
import { repositoryOf } from "./compatibility/sdist.ts";
import { type Trial, tryPackage } from "./compatibility/trial.ts";

/**
 * Deploys public packages one after another on a program of their own, calls
 * what serves, and writes docs/compatibility.md; with `--only NAME` (it may be
 * repeated) just those, and no page. `--logs FOLDER` keeps the build logs. Exit
 * code 1 when an outcome differs from the expected one.
 */
const PATIENCE_MS = 10 * 60_000;
const page = join(import.meta.dirname, "../docs/compatibility.md");

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, logs: { type: "string" } },
});
const chosen = values.only;
const unknown = chosen?.filter((name) => !packages.some((pack) => pack.name === name)) ?? [];
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(", ")}; there is ${packages.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => stop.abort(new Error("stopped")));

const began = Date.now();
const work = mkdtempSync(join(tmpdir(), "offing-compatibility-"));
const trials: Trial[] = [];
let programFolder = "";
try {
  await using program = await startProgram();
  programFolder = program.dataDir;
  const wanted = packages.filter(({ name }) => chosen === undefined || chosen.includes(name));
  for (const pack of wanted) {
    stop.signal.throwIfAborted();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const place = { url: program.url, key: program.owner.key };
    let trial: Trial;
    try {
      const repository = await repositoryOf(pack, testCache, work, signal);
      trial = await tryPackage(pack, repository, place, signal);
      rmSync(repository, { recursive: true, force: true });
    } catch (error) {
      trial = untried(pack, messageOf(error));
    }
    trials.push(trial);
    if (values.logs !== undefined)
      writeFileSync(join(values.logs, `${pack.name}.txt`), trial.log.map((line) => `${line}\n`).join(""));
    const time = trial.seconds === null ? "" : ` (${trial.seconds.toFixed(1)} s)`;
    console.log(`${trial.met ? "as expected" : "DIFFERS    "}  ${pack.name} ${pack.version}${time}`);
    if (trial.met && trial.error !== null)
      console.log(`             ${trial.error.code}: ${oneLine(trial.error.message)}`);
    for (const difference of trial.differs) console.log(`             ${oneLine(difference)}`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

const differ = trials.filter(({ met }) => !met).length;
console.log(`${trials.length - differ} of ${trials.length} as expected`);
if (chosen === undefined) {
  const hosts = indexHosts(await readIndexes(process.env));
  writeFileSync(
    page,
    documentOf(trials, {
      date: new Date(began).toISOString().slice(0, 10),
      node: process.versions.node,
      python: execFileSync("python3", ["-c", "import platform; print(platform.python_version())"], {
        encoding: "utf8",
      }).trim(),
      minutes: Math.round((Date.now() - began) / 60_000),
      private: [
        [programFolder, "DATA"],
        [work, "WORK"],
        [testCache, "CACHE"],
        [homedir(), "~"],
        ...hosts.map((host) => [host, "the package index"] as const),
      ],
    }),
  );
  console.log(`written: docs/compatibility.md`);
}
process.exitCode = differ === 0 ? 0 : 1;

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ");
}

function untried(pack: Trial["pack"], why: string): Trial {
  return {
    pack,
    met: false,
    differs: [why],
    log: [],
    found: null,
    dependencies: null,
    tools: null,
    error: null,
    seconds: null,
  };
}
