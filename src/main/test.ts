import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");

/**
 * Runs everything that proves this checkout: types, lint, format, documents,
 * and every test. Ends in one plain line, `N passed, N failed`. Suites that
 * this machine cannot run are named with the reason; with CI=true they fail
 * the run. Arguments go to vitest.
 */
export async function test(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "offing-test-"));
  const report = join(folder, "report.json");
  const missing = join(folder, "missing");
  const bin = (name: string) => join(root, "node_modules/.bin", name);
  try {
    const checks =
      argv.length > 0 ? true : (await run(process.execPath, [join(root, "scripts/check.ts")], env)) === 0;
    const code = await run(
      process.execPath,
      [bin("vitest"), "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...argv],
      { ...env, OFFING_TEST_MISSING: missing, NODE_ENV: "test" },
    );
    const { numPassedTests: passed, numFailedTests: failed } = existsSync(report)
      ? (JSON.parse(readFileSync(report, "utf8")) as { numPassedTests: number; numFailedTests: number })
      : { numPassedTests: 0, numFailedTests: 0 };
    const unmet = existsSync(missing) ? [...new Set(readFileSync(missing, "utf8").trim().split("\n"))] : [];
    for (const line of unmet) process.stdout.write(`not run on this machine: ${line}\n`);
    const broken =
      (code !== 0 && failed === 0 ? 1 : 0) + (checks ? 0 : 1) + (env["CI"] === "true" ? unmet.length : 0);
    process.stdout.write(`${passed} passed, ${failed + broken} failed\n`);
    return failed + broken === 0 && passed > 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const path = `${dirname(process.execPath)}:${env["PATH"] ?? ""}`;
    const child = spawn(program, args, { cwd: root, env: { ...env, PATH: path }, stdio: "inherit" });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
