import { execFile, type ExecFileException } from "node:child_process";
import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A Git bundle of one commit without its history, in a temporary folder of its own. */
export interface Bundle {
  readonly path: string;
  readonly commit: string;
  /** `refs/heads/main`; null for a folder as it lies there, and for a commit. */
  readonly ref: string | null;
  /** The folder's or repository's name, for the server's slug. */
  readonly name: string;
}

export interface BundleOptions {
  /** A branch, tag or commit of the folder's repository; without it the files are taken as they lie there. */
  readonly ref?: string;
  /** Told in words what is taken that one might not expect. */
  onNote?(note: string): void;
}

/** A folder that cannot be uploaded; the message says why and what to do. */
export class BundleError extends Error {
  override readonly name = "BundleError";
}

/** Where there is no .gitignore to say it. */
const NEVER = [".venv/", "venv/", "node_modules/", "__pycache__/", "*.pyc", ".env", ".env.*"];

/**
 * Makes a Git bundle of a folder or a `file://` address. A repository is taken
 * at `ref`, or as its working tree stands (committed or not, ignored files
 * excepted); a folder without Git with everything that no .gitignore names. The
 * repository itself is never written to. Throws BundleError.
 */
export async function bundleFolder(source: string, options: BundleOptions = {}): Promise<Bundle> {
  const folder = source.startsWith("file://") ? fileURLToPath(source) : source;
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new BundleError(`There is no folder ${folder}.`);
  const path = await realpath(folder);
  const work = await mkdtemp(join(tmpdir(), "offing-bundle-"));
  try {
    // What we write goes here; the user's objects are only read.
    const store = join(work, "repository.git");
    await git(work, {}, "init", "--quiet", "--bare", "--template=", store);
    const own = await repositoryOf(path);
    const taken =
      options.ref === undefined
        ? await workingTree(path, own, store, options)
        : await atRef(path, own, store, options.ref);
    const file = join(work, "upload.bundle");
    const to: Where = { gitDir: store, objects: own?.objects };
    await git(work, to, "update-ref", "refs/heads/offing", taken.commit);
    const described = own === undefined ? null : await describe(path, own, options.ref);
    if (described !== null) await git(work, to, "update-ref", described, taken.commit);
    await git(
      work,
      to,
      "bundle",
      "create",
      "--quiet",
      file,
      "refs/heads/offing",
      ...(described === null ? [] : [described]),
    );
    await rm(store, { recursive: true });
    const name = basename(path).replace(/\.git$/, "");
    return { path: file, commit: taken.commit, ref: taken.ref, name };
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}

/** What `git describe` says, as a ref: projects take their version from it, and the upload has no history. */
async function describe(path: string, own: OwnRepository, ref = "HEAD"): Promise<string | null> {
  const words = await git(path, { gitDir: own.gitDir }, "describe", "--tags", "--long", ref).catch(() => "");
  return /^[\w.+-]{1,200}$/.test(words.trim()) ? `refs/offing/describe/${words.trim()}` : null;
}

interface OwnRepository {
  readonly gitDir: string;
  readonly objects: string;
  /** The folder's path within the repository's working tree, "" for its root. */
  readonly prefix: string;
  readonly bare: boolean;
}

interface Where {
  readonly gitDir?: string;
  readonly workTree?: string;
  readonly index?: string;
  /** Another object folder that may be read. */
  readonly objects?: string | undefined;
}

async function repositoryOf(path: string): Promise<OwnRepository | undefined> {
  const ask = (...args: string[]): Promise<string> => git(path, {}, "rev-parse", ...args);
  try {
    const gitDir = await ask("--absolute-git-dir");
    const objects = await ask("--path-format=absolute", "--git-path", "objects");
    const bare = (await ask("--is-bare-repository")) === "true";
    const prefix = bare ? "" : await ask("--show-prefix");
    // A folder that the repository around it ignores is not of that repository.
    const ignored =
      prefix !== "" &&
      (await git(path, {}, "check-ignore", "--quiet", ".").then(
        () => true,
        () => false,
      ));
    return ignored ? undefined : { gitDir, objects, prefix, bare };
  } catch (error) {
    if (error instanceof BundleError && /not a git repository/i.test(error.message)) return undefined;
    throw error;
  }
}

async function atRef(
  path: string,
  own: OwnRepository | undefined,
  store: string,
  ref: string,
): Promise<{ commit: string; ref: string | null }> {
  if (!own)
    throw new BundleError(
      `${path} is no Git repository, so it has no ${ref}; leave --ref out to take its files.`,
    );
  const from: Where = { gitDir: own.gitDir };
  const tree = await git(path, from, "rev-parse", "--verify", "--quiet", `${ref}^{tree}`, "--").catch(
    () => "",
  );
  const exact = /^([0-9a-f]{40,64})$/m.exec(tree)?.[1];
  if (exact === undefined) throw new BundleError(`${path} has no branch, tag or commit ${ref}.`);
  const commit =
    /[0-9a-f]{40,64}/.exec(await git(path, from, "rev-parse", "--verify", `${ref}^{commit}`, "--"))?.[0] ??
    "";
  const full = await git(path, from, "rev-parse", "--symbolic-full-name", ref, "--").catch(() => "");
  const named = /^refs\/\S+$/m.exec(full)?.[0] ?? null;
  await shallow(store, own, commit);
  return { commit, ref: named };
}

/** The commit keeps its id, so its parents are cut off as a shallow clone's are (gitformat-shallow(5)). */
async function shallow(store: string, own: OwnRepository, commit: string): Promise<void> {
  await git(
    store,
    {},
    "--git-dir",
    store,
    "fetch",
    "--quiet",
    "--no-tags",
    "--depth=1",
    `file://${own.gitDir}`,
    commit,
  ).catch(async () => {
    // A repository that does not hand out single commits is read whole.
    await git(
      store,
      {},
      "--git-dir",
      store,
      "fetch",
      "--quiet",
      "--no-tags",
      own.gitDir,
      "+refs/*:refs/all/*",
    );
  });
}

async function workingTree(
  path: string,
  own: OwnRepository | undefined,
  store: string,
  options: BundleOptions,
): Promise<{ commit: string; ref: string | null }> {
  if (own?.bare) return atRef(path, own, store, "HEAD");
  const head =
    own &&
    (await git(path, { gitDir: own.gitDir }, "rev-parse", "--verify", "--quiet", "HEAD").catch(
      () => undefined,
    ));
  if (own && head) {
    const changed = await git(
      path,
      { gitDir: own.gitDir, workTree: await rootOf(path) },
      "status",
      "--porcelain",
      "--untracked-files=normal",
      "--",
      ".",
    );
    if (changed === "" && own.prefix === "") {
      const branch = await git(path, { gitDir: own.gitDir }, "symbolic-ref", "--quiet", "HEAD").catch(
        () => null,
      );
      return { commit: (await atRef(path, own, store, "HEAD")).commit, ref: branch };
    }
    if (changed !== "")
      options.onNote?.(`${path} has changes that are not committed; they are uploaded as they are`);
    if (own.prefix !== "") options.onNote?.(`only the folder ${own.prefix} of the repository is uploaded`);
  } else if (!own) {
    options.onNote?.(`${path} is no Git repository; everything that no .gitignore names is uploaded`);
  }
  const where: Where = {
    gitDir: store,
    workTree: path,
    index: join(store, "offing-index"),
    objects: own?.objects,
  };
  // The repository's own exclusions, wherever they are written, and with Git's own rules.
  const excluded = own ? [] : NEVER.flatMap((pattern) => ["--exclude", pattern]);
  const listed = own
    ? await git(path, {}, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    : await git(path, where, "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore", ...excluded);
  const files = await present(
    path,
    listed.split("\0").filter((file) => file !== ""),
  );
  if (files.length === 0) throw new BundleError(`${path} has no file to upload.`);
  await gitWithInput(path, where, `${files.join("\0")}\0`, "update-index", "--add", "-z", "--stdin");
  const tree = await git(path, where, "write-tree");
  const message = own ? "Working tree as uploaded" : "Folder as uploaded";
  return { commit: await git(path, where, "commit-tree", tree, "-m", message), ref: null };
}

/** Without files that are deleted but not committed so, and without folders (submodules, nested repositories). */
async function present(path: string, files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    if (file.endsWith("/")) continue;
    const entry = await stat(join(path, file)).catch(() => undefined);
    const dangling =
      entry === undefined &&
      (await git(path, {}, "hash-object", "--", file).catch(() => undefined)) !== undefined;
    if (entry?.isFile() || dangling) found.push(file);
  }
  return found;
}

function rootOf(path: string): Promise<string> {
  return git(path, {}, "rev-parse", "--show-toplevel");
}

function git(cwd: string, where: Where, ...args: string[]): Promise<string> {
  return gitWithInput(cwd, where, "", ...args);
}

function gitWithInput(cwd: string, where: Where, input: string, ...args: string[]): Promise<string> {
  const author = { NAME: "offing", EMAIL: "offing@localhost", DATE: "@0 +0000" };
  const env: NodeJS.ProcessEnv = { ...process.env, LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" };
  for (const name of ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"])
    delete env[name];
  for (const role of ["AUTHOR", "COMMITTER"]) {
    for (const [what, value] of Object.entries(author)) env[`GIT_${role}_${what}`] = value;
  }
  if (where.gitDir !== undefined) env["GIT_DIR"] = where.gitDir;
  if (where.workTree !== undefined) env["GIT_WORK_TREE"] = where.workTree;
  if (where.index !== undefined) env["GIT_INDEX_FILE"] = where.index;
  if (where.objects !== undefined) env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = where.objects;
  return new Promise((done, fail) => {
    const options = { cwd, env, maxBuffer: 256 * 1024 ** 2, encoding: "utf8" as const };
    const child = execFile(
      "git",
      ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", ...args],
      options,
      (error, out, err) => {
        if (!error) return done(out.replace(/\n$/, ""));
        const missing = (error as ExecFileException).code === "ENOENT";
        const words = missing
          ? "git is not installed here; install it and try again"
          : err.trim() || error.message;
        fail(new BundleError(words, { cause: error }));
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
