import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { BuildError } from "./build.ts";
import { runChild } from "./child.ts";
import { findDependencies, type Dependencies } from "./plan/dependencies.ts";
import { findEntrypoint, type Entrypoint } from "./plan/entrypoint.ts";
import { chooseInterpreter, type Interpreter } from "./plan/interpreter.ts";
import type { StepContext } from "./services.ts";

/** Everything that a build decides before it runs anything of the author's. */
export interface Plan {
  readonly entrypoint: Entrypoint;
  readonly dependencies: Dependencies;
  readonly interpreter: Interpreter;
  /** Folders of the checkout that go on `sys.path` after the entrypoint's own. */
  readonly pythonPath: readonly string[];
}

/** Reads a file as Python would compile it; nothing of it runs. */
const COMPILE = `
import sys, tokenize
path, name = sys.argv[1:]
try:
    with tokenize.open(path) as file: text = file.read()
    compile(text, name, "exec", dont_inherit=True)
except (SyntaxError, UnicodeError, ValueError) as error:
    import traceback
    sys.stderr.write("".join(traceback.format_exception_only(type(error), error)))
    sys.exit(1)
`;

/**
 * Decides the entrypoint, the dependency source and the Python of a checkout,
 * and says each decision with its reason. Throws BuildError of step `plan`.
 */
export async function makePlan(
  context: StepContext,
  root: string,
  asked: string | null,
  download: (request: string) => Promise<string | undefined>,
): Promise<Plan> {
  const { say } = context;
  const entrypoint = await findEntrypoint(root, asked);
  say(
    `entrypoint ${entrypoint.path}${entrypoint.object === null ? "" : `:${entrypoint.object}`}: ${entrypoint.reason}`,
  );
  const dependencies = await findDependencies(root, entrypoint.path);
  for (const reason of dependencies.reasons) say(reason);
  const { interpreter, reason } = await chooseInterpreter(
    context,
    root,
    entrypoint.path,
    dependencies.pyproject,
    download,
  );
  say(reason);
  const pythonPath = await importRoots(root, entrypoint.path, dependencies);
  if (pythonPath.length > 0) say(`imports are found in ${pythonPath.join(", ")} too`);
  await checkSyntax(context, root, entrypoint.path, interpreter);
  return { entrypoint, dependencies, interpreter, pythonPath };
}

/**
 * `src` folders, so that a project imports itself without being installed, and
 * for an entrypoint inside a package the folder that holds the package. Not
 * simply the root: a folder `mcp` there would hide the library.
 */
async function importRoots(root: string, entrypoint: string, dependencies: Dependencies): Promise<string[]> {
  const own = posix.dirname(entrypoint);
  const project = dependencies.pyproject === null ? "." : posix.dirname(dependencies.pyproject.file);
  const candidates = [posix.join(project, "src"), "src"];
  let folder = own;
  while (folder !== "." && (await isFile(join(root, folder, "__init__.py")))) folder = posix.dirname(folder);
  // The root itself is searched anyway, after the installed packages.
  if (folder !== own && folder !== ".") candidates.push(folder);
  const found: string[] = [];
  for (const candidate of candidates.map((path) => posix.normalize(path))) {
    if (candidate === own || found.includes(candidate)) continue;
    if (
      await stat(join(root, candidate)).then(
        (entry) => entry.isDirectory(),
        () => false,
      )
    )
      found.push(candidate);
  }
  return found;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

async function checkSyntax(
  context: StepContext,
  root: string,
  path: string,
  python: Interpreter,
): Promise<void> {
  const result = await runChild({
    argv: [python.executable, "-I", "-S", "-c", COMPILE, join(root, path), path],
    cwd: "/",
    env: {},
    signal: context.signal,
  });
  if (result.code === 0) return;
  throw new BuildError("plan", "syntax_error", `${path} is not valid Python ${python.version}.`, {
    traceback: result.err.trim(),
    hint: "Correct the line and deploy again.",
  });
}
