import { posix } from "node:path";
import { parse } from "smol-toml";
import { moduleFile } from "./imports.ts";
import type { Survey } from "./survey.ts";

/** A console script of a project. */
export interface Script {
  readonly name: string;
  /** `package.module:function`. */
  readonly program: string;
  /** The module's file in the checkout. */
  readonly path: string;
  /** The file that declares it. */
  readonly from: string;
}

const PROGRAM = /^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)$/;
const MOST = 50;
const LONGEST = 500;

/**
 * The console scripts of the project in `folder` (pyproject.toml's `[project]`
 * and Poetry's table, setup.cfg, setup.py) whose module is in the checkout. What
 * cannot be read declares none: the reader of dependencies says why.
 */
export async function consoleScripts(files: Survey, folder: string): Promise<Script[]> {
  const at = (name: string): string => posix.normalize(posix.join(folder, name));
  const declared: { name: string; program: string; from: string }[] = [];
  const add = (from: string, name: string, program: string): void => {
    // Without the extras that it needs: `module:function [extra]`.
    const clean = (program.split("[", 1)[0] ?? "").replace(/\s+/g, "");
    if (declared.length < MOST && clean.length <= LONGEST && PROGRAM.test(clean))
      declared.push({ from, name: name.trim(), program: clean });
  };
  if (files.has(at("pyproject.toml"))) {
    for (const [name, program] of tomlScripts(await files.text(at("pyproject.toml"))))
      add(at("pyproject.toml"), name, program);
  }
  for (const name of ["setup.cfg", "setup.py"].map(at)) {
    if (!files.has(name)) continue;
    for (const [script, program] of legacyScripts(await files.text(name))) add(name, script, program);
  }
  const found = declared.map((script) => ({ ...script, path: fileOf(files, folder, script.program) }));
  return found.filter((script): script is Script => script.path !== undefined);
}

function* tomlScripts(text: string): Generator<[string, string]> {
  let data: Record<string, unknown>;
  try {
    data = parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return;
  }
  const table = (value: unknown, key: string): unknown =>
    typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  const tables = [table(data["project"], "scripts"), table(table(data["tool"], "poetry"), "scripts")];
  for (const scripts of tables) {
    if (typeof scripts !== "object" || scripts === null) continue;
    for (const [name, value] of Object.entries(scripts)) {
      // Poetry also takes { reference = "…", type = "console" }.
      const program: unknown =
        typeof value === "string" ? value : (table(value, "reference") ?? table(value, "callable"));
      if (typeof program === "string") yield [name, program];
    }
  }
}

/** `name = module:function` lines below `console_scripts`, as setup.cfg and setup.py write them. */
function* legacyScripts(text: string): Generator<[string, string]> {
  const from = text.indexOf("console_scripts");
  if (from < 0) return;
  for (const match of text
    .slice(from, from + 8000)
    .matchAll(/(?:^|["'\n])[ \t]{0,80}([\w.-]{1,100})[ \t]{0,20}=[ \t]{0,20}([\w.]{1,200}:[\w.]{1,100})/g)) {
    yield [match[1] ?? "", match[2] ?? ""];
  }
}

function fileOf(files: Survey, folder: string, program: string): string | undefined {
  const module = program.slice(0, program.indexOf(":"));
  const usual = ["src", ".", "lib", "python"].map((name) => posix.join(folder, name));
  const direct = moduleFile(files, usual, module);
  if (direct !== undefined) return direct;
  // A package may lie anywhere that its build back-end is told of.
  const inside = folder === "." ? "" : `${folder}/`;
  const path = module.replaceAll(".", "/");
  const ends = [`/${path}.py`, `/${path}/__init__.py`];
  const found = files.python.filter(
    (file) => file.startsWith(inside) && ends.some((end) => file.endsWith(end)),
  );
  return found.length === 1 ? found[0] : undefined;
}
