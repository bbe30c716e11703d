import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { requirements } from "../test/requirements/all.ts";

/**
 * Tries every requirement: makes its one-line change in a copy of the checkout
 * and runs the test that it names, which must turn red. `--only TEXT` takes
 * those whose id contains TEXT. Exits with 1 when a test stays green.
 */
const root = join(import.meta.dirname, "..");
const { values } = parseArgs({ options: { only: { type: "string" } } });
const wanted = requirements.filter(({ id }) => id.includes(values.only ?? ""));
const copy = mkdtempSync(join(tmpdir(), "offing-requirements-"));
const left = new Set(["node_modules", ".node", ".git"]);
let green = 0;
try {
  cpSync(root, copy, {
    recursive: true,
    filter: (path) => !left.has(path.slice(root.length + 1).split("/")[0]!),
  });
  for (const folder of ["node_modules", ".node"]) symlinkSync(join(root, folder), join(copy, folder));
  for (const { id, break: change } of wanted) {
    const file = join(copy, change.file);
    const text = readFileSync(file, "utf8");
    writeFileSync(
      file,
      text.replace(change.from, () => change.to),
    );
    // A cited test alone: the rest of its file proves other things.
    const pattern = `\\[R:${id.replaceAll(".", "\\.")}\\]`;
    const done = spawnSync(
      process.execPath,
      [join(root, "node_modules/.bin/vitest"), "run", change.test, "-t", pattern],
      { cwd: copy, encoding: "utf8", env: { ...process.env, NODE_ENV: "test" } },
    );
    writeFileSync(file, text);
    const ran = /Tests .*\d/.test(done.stdout);
    const red = done.status !== 0 && /Tests .*\bfailed\b/.test(done.stdout);
    green += red ? 0 : 1;
    console.log(
      `${red ? "red    " : ran ? "GREEN  " : "NOT RUN"}  ${id}  ${change.file}: ${change.from.trim().slice(0, 80)}`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${wanted.length - green} of ${wanted.length} turn red`);
process.exitCode = green === 0 ? 0 : 1;
