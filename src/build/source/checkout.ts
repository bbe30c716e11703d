import { mkdir, open } from "node:fs/promises";
import { join, posix } from "node:path";
import { BuildError } from "../build.ts";
import type { StepContext } from "../services.ts";
import { git } from "./git.ts";
import type { FetchedSource } from "./remote.ts";

interface Entry {
  readonly mode: string;
  readonly object: string;
  readonly size: number;
  /** One character per byte (latin1), so that no two names fall together. */
  readonly path: string;
}

/** What a commit names and the checkout has not. Paths are relative to it. */
export interface Absent {
  /** Files whose content Git LFS keeps elsewhere. */
  readonly pointers: readonly string[];
  /** Submodules, whose folders stay empty. */
  readonly submodules: readonly string[];
}

/** A link's target is at most a path (PATH_MAX). */
const LONGEST_LINK = 4096;

/**
 * Writes the tree of a commit to `folder`, without `.git` and without committed
 * virtual environments, which are another machine's. Every symbolic link must
 * stay within the tree. Returns the first line of the commit's message, and what
 * the tree lacks.
 * Throws BuildError `symlink_escapes`, `name_unsupported`, `source_too_large`.
 */
export async function checkout(
  context: StepContext,
  source: FetchedSource,
  folder: string,
): Promise<{ readonly subject: string } & Absent> {
  const call = { context, repository: source.repository, quiet: true, encoding: "latin1" } as const;
  const listed = await git(call, ["ls-tree", "-r", "-z", "-l", "--full-tree", source.commit]);
  if (listed.code !== 0) throw new Error(`git ls-tree failed: ${listed.err}`);
  const all = listed.out
    .split("\0")
    .map(parseEntry)
    .filter((entry) => entry !== undefined);
  const environments = environmentsOf(all);
  const left = all.filter((entry) => isBelow(entry.path, environments));
  const entries = left.length === 0 ? all : all.filter((entry) => !isBelow(entry.path, environments));
  for (const path of environments) {
    context.say(`${words(path)} is a committed virtual environment of another machine; it is left out`);
  }
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > context.limits.diskBytes) {
    throw new BuildError(
      "source",
      "source_too_large",
      `The checkout has ${Math.round(total / 1024 ** 2)} MiB.`,
      {
        hint: `Keep large files out of the repository: ${largest(entries)}.`,
      },
    );
  }
  for (const { path } of entries) {
    if (words(path) !== null) continue;
    throw new BuildError(
      "source",
      "name_unsupported",
      `A file's name is not UTF-8: ${JSON.stringify(path)}.`,
      {
        hint: "Rename the file.",
      },
    );
  }
  const submodules = entries
    .filter((entry) => entry.mode === "160000")
    .map(({ path }) => words(path) ?? path);
  for (const path of submodules) {
    context.warn(`the submodule ${path} is not fetched; its folder stays empty`);
  }
  const links = new Map<string, string>();
  for (const entry of entries.filter((candidate) => candidate.mode === "120000")) {
    if (entry.size > LONGEST_LINK) throw escapes(entry.path, "more than a path");
    const target = await git(call, ["cat-file", "blob", entry.object]);
    if (target.code !== 0) throw new Error(`git cat-file failed: ${target.err}`);
    links.set(entry.path, target.out);
  }
  for (const [path, target] of links) {
    if (staysInside(path, links)) continue;
    throw escapes(path, target);
  }
  await mkdir(folder, { recursive: true });
  // An index of our own, so that two builds of one mirror do not meet.
  const env = { GIT_INDEX_FILE: join(context.work, "index"), GIT_WORK_TREE: folder };
  for (const { args, input } of [
    { args: ["read-tree", source.commit], input: undefined },
    {
      args: ["update-index", "-z", "--force-remove", "--stdin"],
      input: left.map(({ path }) => `${path}\0`).join(""),
    },
    { args: ["checkout-index", "--all", "--force", `--prefix=${folder}/`], input: undefined },
  ]) {
    if (input === "") continue;
    const done = await git(
      { ...call, env, ...(input === undefined ? {} : { input: Buffer.from(input, "latin1") }) },
      args,
    );
    if (done.code !== 0) throw new Error(`git ${args[0]} failed: ${done.err}`);
  }
  const subject = await git({ ...call, encoding: "utf8" }, ["log", "-1", "--format=%s", source.commit]);
  context.say(`${entries.length} files, ${Math.ceil(total / 1024)} KiB`);
  return { subject: subject.out.trim(), pointers: await pointersOf(entries, folder), submodules };
}

/** The three largest files, with their sizes. */
function largest(entries: readonly Entry[]): string {
  return entries
    .toSorted((a, b) => b.size - a.size)
    .slice(0, 3)
    .map(({ path, size }) => `${words(path)} has ${Math.round(size / 1024 ** 2)} MiB`)
    .join(", ");
}

/** The first line of what Git LFS commits in a file's place (its specification, version 1). */
const POINTER = "version https://git-lfs.github.com/spec/v1\n";

/** Plain files of a checkout that are Git LFS pointers: known by their content, whatever .gitattributes says. */
async function pointersOf(entries: readonly Entry[], folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const { path, mode, size } of entries) {
    // The specification keeps them below 1024 bytes.
    if (!mode.startsWith("100") || size < POINTER.length || size > 1024) continue;
    const file = await open(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, "latin1")]));
    try {
      const { buffer } = await file.read(Buffer.alloc(POINTER.length), 0, POINTER.length, 0);
      if (buffer.toString("latin1") === POINTER) found.push(words(path) ?? path);
    } finally {
      await file.close();
    }
  }
  return found;
}

/**
 * Folders that are virtual environments: `pyvenv.cfg` is in them, or installed
 * packages where an environment has them. Outermost ones only.
 */
function environmentsOf(entries: readonly Entry[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { path } of entries) {
    const folder = /^(.+?)\/(?:pyvenv\.cfg$|lib\/python3\.\d+\/site-packages\/|Lib\/site-packages\/)/.exec(
      path,
    )?.[1];
    if (folder !== undefined && folder !== "") found.add(folder);
  }
  return new Set([...found].filter((path) => !isBelow(path, found)));
}

/** Whether a path lies in one of these folders. */
function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  if (folders.size === 0) return false;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1))
    if (folders.has(path.slice(0, at))) return true;
  return false;
}

function escapes(path: string, target: string): BuildError {
  return new BuildError(
    "source",
    "symlink_escapes",
    `${words(path)} is a symbolic link to ${words(target) ?? JSON.stringify(target)}, outside the repository.`,
    { hint: "Commit the file itself, or link to a file of the repository." },
  );
}

/** What bytes mean as UTF-8, or null. */
function words(bytes: string): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(bytes, "latin1"));
  } catch {
    return null;
  }
}

function parseEntry(line: string): Entry | undefined {
  const parts = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line);
  if (!parts) return undefined;
  return { mode: parts[1] ?? "", object: parts[2] ?? "", size: Number(parts[3]) || 0, path: parts[4] ?? "" };
}

/** Follows a link as the kernel would, through other links of the tree; false once it leaves. */
function staysInside(path: string, links: ReadonlyMap<string, string>): boolean {
  const walked: string[] = [];
  const rest = path.split("/");
  for (let hops = 0; rest.length > 0;) {
    const name = rest.shift() ?? "";
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (walked.pop() === undefined) return false;
      continue;
    }
    const target = links.get(posix.join(...walked, name));
    if (target === undefined) {
      walked.push(name);
      continue;
    }
    if (target.startsWith("/") || ++hops > 40) return false;
    rest.unshift(...target.split("/"));
  }
  // A link to the repository's root or to git's own folder has no use.
  return walked[0] !== ".git";
}
