import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a machine can see in the checkout without running it: types, lint, format, documents, lock files. */
const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules/.bin", name);

const checks: readonly [name: string, check: () => string[]][] = [
  ["types", () => [...tool("tsc", ["-p", "."]), ...tool("tsc", ["-p", "web"])]],
  ["lint", () => tool("oxlint", ["--deny-warnings"])],
  ["format", () => tool("oxfmt", ["--check", "."])],
  ["documents", documents],
  ["lock files", locks],
];

let failed = 0;
for (const [name, check] of checks) {
  const problems = check();
  failed += problems.length === 0 ? 0 : 1;
  console.log(problems.length === 0 ? `${name}: fine` : `${name}:\n${problems.join("\n")}`);
}
process.exitCode = failed === 0 ? 0 : 1;

function tool(name: string, args: readonly string[]): string[] {
  const done = spawnSync(process.execPath, [bin(name), ...args], { cwd: root, encoding: "utf8" });
  return done.status === 0 ? [] : [`${done.stdout}${done.stderr}`.trim()];
}

/** Every path that a document names in backticks exists; AGENTS.md stays short. */
function documents(): string[] {
  const files = ["README.md", "AGENTS.md", ...list("docs")].filter((file) => file.endsWith(".md"));
  const problems = files.flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    const named = [...text.matchAll(/`((?:src|test|bench|docs|scripts|examples|web|\.ci)\/[\w./-]*)`/g)].map(
      (match) => match[1]!,
    );
    return named
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${file} names ${path}, which is not there`);
  });
  const lines = readFileSync(join(root, "AGENTS.md"), "utf8").split("\n").length;
  return lines > 150 ? [...problems, `AGENTS.md has ${lines} lines; 150 are the limit`] : problems;
}

/** Every optional dependency that a lock file names has its entry, or `npm ci` fails elsewhere; no addresses. */
function locks(): string[] {
  return ["package-lock.json", ".node/package-lock.json"].flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    const { packages } = JSON.parse(text) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {})
        .filter((name) => !resolvable(packages, path, name))
        .map((name) => `${file}: ${path || "the project"} names ${name}, which has no entry`),
    );
    return text.includes('"resolved"') ? [...missing, `${file} carries registry addresses`] : missing;
  });
}

function resolvable(packages: Record<string, unknown>, from: string, name: string): boolean {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    if (`${at ? `${at}/` : ""}node_modules/${name}` in packages) return true;
    if (at === "") return false;
  }
}

function list(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file)));
}
