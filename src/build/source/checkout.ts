import { mkdir } from "node:fs/promises";
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

/** A link's target is at most a path (PATH_MAX). */
const LONGEST_LINK = 4096;

/**
 * Writes the tree of a commit to `folder`, without `.git`. Every symbolic link
 * must stay within the tree. Returns the first line of the commit's message.
 * Throws BuildError `symlink_escapes`, `name_unsupported`, `source_too_large`.
 */
export async function checkout(context: StepContext, source: FetchedSource, folder: string): Promise<string> {
  const call = { context, repository: source.repository, quiet: true, encoding: "latin1" } as const;
  const listed = await git(call, ["ls-tree", "-r", "-z", "-l", "--full-tree", source.commit]);
  if (listed.code !== 0) throw new Error(`git ls-tree failed: ${listed.err}`);
  const entries = listed.out
    .split("\0")
    .map(parseEntry)
    .filter((entry) => entry !== undefined);
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > context.limits.diskBytes) {
    throw new BuildError(
      "source",
      "source_too_large",
      `The checkout has ${Math.round(total / 1024 ** 2)} MiB.`,
      {
        hint: "Keep large files out of the repository.",
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
  for (const { path } of entries.filter((entry) => entry.mode === "160000")) {
    context.say(`the submodule ${words(path)} is not fetched; its folder stays empty`);
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
  for (const args of [
    ["read-tree", source.commit],
    ["checkout-index", "--all", "--force", `--prefix=${folder}/`],
  ]) {
    const done = await git({ ...call, env }, args);
    if (done.code !== 0) throw new Error(`git ${args[0]} failed: ${done.err}`);
  }
  const subject = await git({ ...call, encoding: "utf8" }, ["log", "-1", "--format=%s", source.commit]);
  context.say(`${entries.length} files, ${Math.ceil(total / 1024)} KiB`);
  return subject.out.trim();
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
