import { execFile } from "node:child_process";
import { readFile, readlink, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";

/** The folder of our own Python programs. */
export const pythonFolder = join(import.meta.dirname, "python");

export interface Interpreter {
  /** Absolute and real; never a shim. */
  readonly executable: string;
  /** Every folder that must be there, at its own path, for it to run. */
  readonly folders: readonly string[];
}

const run = promisify(execFile);

/** Asks a Python where it really is. Throws when it does not run. */
export async function interpreterAt(python: string): Promise<Interpreter> {
  const program =
    "import sys, json, os; print(json.dumps([os.path.realpath(sys.executable), sys.base_prefix, sys.base_exec_prefix]))";
  const { stdout } = await run(python, ["-I", "-S", "-c", program], { timeout: 10_000 });
  const [executable, ...prefixes] = JSON.parse(stdout) as [string, string, string];
  return {
    executable,
    folders: [...new Set([...prefixes, ...(await Promise.all(prefixes.map((p) => realpath(p))))])],
  };
}

async function looksLikePython(folder: string, executable: string): Promise<boolean> {
  const name = /python(\d+\.\d+)/.exec(executable);
  if (name === null || folder === "/") return false;
  try {
    return (await stat(join(folder, "lib", name[0], "os.py"))).isFile();
  } catch {
    return false;
  }
}

/**
 * The folders of the interpreter behind an environment's `bin/python`: one per
 * link on the way and the real one. They are bound into a sandbox, so each must
 * hold a Python's standard library; an environment that names another folder of
 * the machine gets nothing. Throws when there is no interpreter.
 */
export async function environmentInterpreter(environment: string): Promise<Interpreter> {
  const executable = await realpath(join(environment, "bin", "python"));
  const candidates = new Set<string>([dirname(dirname(executable))]);
  let at = join(environment, "bin", "python");
  for (let hops = 0; hops < 16; hops++) {
    let next: string;
    try {
      next = await readlink(at);
    } catch {
      break;
    }
    at = isAbsolute(next) ? next : resolve(dirname(at), next);
    if (!at.startsWith(`${environment}/`)) candidates.add(dirname(dirname(at)));
  }
  const home = /^home\s*=\s*(.+)$/m.exec(
    await readFile(join(environment, "pyvenv.cfg"), "utf8").catch(() => ""),
  );
  if (home?.[1] !== undefined) candidates.add(dirname(home[1].trim()));
  const folders: string[] = [];
  for (const folder of candidates) if (await looksLikePython(folder, executable)) folders.push(folder);
  return { executable, folders };
}
