import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { BuildError } from "./build.ts";
import { runChild } from "./child.ts";
import { askedConfig } from "./plan/configured.ts";
import { findDependencies, type Dependencies } from "./plan/dependencies.ts";
import { findEntrypoint, kindWords, named, type Entrypoint } from "./plan/entrypoint.ts";
import { checkAbsent, checkFolders } from "./plan/absent.ts";
import { closureOf } from "./plan/imports.ts";
import { chooseInterpreter, type Interpreter } from "./plan/interpreter.ts";
import { survey, type Survey } from "./plan/survey.ts";
import type { StepContext } from "./services.ts";
import type { Absent } from "./source/checkout.ts";

/** Everything that a build decides before it runs anything of the author's. */
export interface Plan {
  readonly entrypoint: Entrypoint;
  readonly dependencies: Dependencies;
  readonly interpreter: Interpreter;
  /** Other interpreters of this machine that would do, newest first. */
  readonly others: readonly Interpreter[];
  /** Folders of the checkout that go on `sys.path` after the entrypoint's own. */
  readonly pythonPath: readonly string[];
  /** The folder of the project whose own wheel is to be built, and whether the build may do without it; null: none. */
  readonly project: { readonly folder: string; readonly optional: boolean } | null;
  /** For back-ends that ask Git for the project's version. */
  readonly version: string;
}

/** What whoever deploys asked for. */
export interface AskedPlan {
  /** `path.py`, `path.py:name` or a folder. */
  readonly entrypoint: string | null;
  readonly dependencyFile: string | null;
  /** What stands for the source in a command that we suggest. */
  readonly source: string;
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
 * and says each decision with its reason. `checkout` tells what it lacks, and the
 * version that Git's tags give it.
 * Throws BuildError of step `plan`.
 */
export async function makePlan(
  context: StepContext,
  root: string,
  asked: AskedPlan,
  checkout: Absent & { readonly version: string | null },
  download: (request: string) => Promise<string | undefined>,
): Promise<Plan> {
  const { say } = context;
  const files = await survey(root, context.signal);
  const { config, dependencyFile, notes } = await askedConfig(files, asked);
  for (const note of notes) say(note);
  const found =
    asked.entrypoint === null && config?.entrypoint
      ? await named(files, config.entrypoint, `${config.file} names it`)
      : await findEntrypoint(files, asked);
  const argv =
    config !== null && (config.entrypoint === null || isSame(config.entrypoint, found)) ? config.argv : [];
  const entrypoint: Entrypoint = { ...found, argv };
  say(
    `entrypoint ${entrypoint.path}${entrypoint.object === null ? "" : `:${entrypoint.object}`}: ${entrypoint.reason}`,
  );
  if (entrypoint.program !== null) say(`the project starts by ${entrypoint.program}`);
  if (argv.length > 0) say(`arguments, from deployment.args of ${config?.file}: ${argv.join(" ")}`);
  await checkAbsent(files, entrypoint.path, dependencyFile, checkout, context.warn);
  say(await kindWords(files, entrypoint.path));
  const dependencies = await findDependencies(files, entrypoint.path, { dependencyFile, config });
  for (const reason of dependencies.reasons) say(reason);
  checkFolders(files, dependencies, checkout);
  const { interpreter, others, reason } = await chooseInterpreter(
    context,
    root,
    entrypoint.path,
    dependencies.pythons,
    download,
  );
  say(reason);
  const pythonPath = await importRoots(files, entrypoint, dependencies);
  if (pythonPath.length > 0) say(`imports are found in ${pythonPath.join(", ")} too`);
  if (files.files.length > 0 && (await isFile(join(root, ".env"))))
    say("the repository has a .env: the code may read it, and variables of the server win over it");
  await checkSyntax(context, root, entrypoint.path, interpreter);
  const project = await projectOf(files, entrypoint.path, dependencies);
  if (dependencies.pyproject?.vcsVersion === true) {
    const words = checkout.version ?? "0.0.0, because no tag of the repository names one";
    say(`${dependencies.pyproject.file} takes the project's version from Git's tags: ${words}`);
  }
  return {
    entrypoint,
    dependencies,
    interpreter,
    others,
    pythonPath,
    project,
    version: checkout.version ?? "0.0.0",
  };
}

function isSame(asked: string, found: Entrypoint): boolean {
  return posix.normalize(asked.replace(/:.*$/s, "")) === found.path;
}

/**
 * The project whose wheel is built: the one that declares the dependencies, or,
 * beside a requirements file, one whose metadata or generated files the code
 * asks for.
 */
async function projectOf(
  files: Survey,
  entrypoint: string,
  dependencies: Dependencies,
): Promise<Plan["project"]> {
  const { source, pyproject } = dependencies;
  if (source.kind === "lock" || source.kind === "pyproject") {
    const { buildSystem, dynamicDependencies } = source.pyproject;
    if (!buildSystem) return null;
    return { folder: source.folder, optional: source.kind === "lock" || !dynamicDependencies };
  }
  if (!pyproject?.buildSystem) return null;
  for (const path of (await closureOf(files, entrypoint)).files) {
    if (
      !/\bimportlib\.metadata\b|\bpkg_resources\b|\b_version\b|from[ \t]+importlib[ \t]+import[^\n]{0,100}\bmetadata\b/.test(
        await files.code(path),
      )
    )
      continue;
    return { folder: posix.dirname(pyproject.file), optional: true };
  }
  return null;
}

/**
 * `src` folders, so that a project imports itself without being installed, for
 * an entrypoint inside a package the folder that holds the package, and the one
 * that a console script's module is named from. Not simply the root: a folder
 * `mcp` there would hide the library.
 */
async function importRoots(
  files: Survey,
  entrypoint: Entrypoint,
  dependencies: Dependencies,
): Promise<string[]> {
  const own = posix.dirname(entrypoint.path);
  const project = dependencies.pyproject === null ? "." : posix.dirname(dependencies.pyproject.file);
  const candidates = [posix.join(project, "src"), "src"];
  let folder = own;
  while (folder !== "." && files.has(posix.join(folder, "__init__.py"))) folder = posix.dirname(folder);
  candidates.push(folder);
  const module = entrypoint.program?.replace(/:.*$/, "").split(".") ?? [];
  const whole = entrypoint.path.replace(/(?:\/__init__)?\.py$/, "").split("/");
  if (module.length > 0 && whole.slice(-module.length).join() === module.join())
    candidates.push(whole.slice(0, -module.length).join("/") || ".");
  candidates.push(project);
  const found: string[] = [];
  for (const candidate of candidates.map((path) => posix.normalize(path))) {
    // The root itself is searched anyway, after the installed packages.
    if (candidate === own || candidate === "." || found.includes(candidate)) continue;
    if (files.files.some((path) => path.startsWith(`${candidate}/`))) found.push(candidate);
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
