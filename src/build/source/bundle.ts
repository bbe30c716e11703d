import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build.ts";
import type { StepContext } from "../services.ts";
import { git } from "./git.ts";
import type { FetchedSource } from "./remote.ts";
import { versionDescribed } from "./version.ts";

/**
 * Unpacks an uploaded Git bundle into the work folder. Throws BuildError
 * `bundle_invalid` when it is none or when `commit` is not in it.
 */
export async function openBundle(
  context: StepContext,
  bundle: { readonly path: string; readonly commit: string; readonly ref: string | null },
): Promise<FetchedSource> {
  const repository = join(context.work, "bundle.git");
  const call = { context, repository, quiet: true };
  const made = await git({ ...call, repository: null }, [
    "init",
    "--quiet",
    "--bare",
    "--template=",
    repository,
  ]);
  if (made.code !== 0) throw new Error(`git init failed: ${made.err}`);
  const valid = /^[0-9a-f]{40,64}$/.test(bundle.commit);
  // An upload has the commit without its history, so its parents are cut off here too (gitformat-shallow(5)).
  if (valid) await writeFile(join(repository, "shallow"), `${bundle.commit}\n`);
  const local = ["-c", "protocol.file.allow=always"];
  const fetched = await git(
    call,
    ["fetch", "--quiet", "--no-tags", "--", bundle.path, "+refs/*:refs/bundle/*", "+HEAD:refs/offing/head"],
    local,
  );
  const known =
    fetched.code === 0
      ? fetched
      : await git(call, ["fetch", "--quiet", "--no-tags", "--", bundle.path, "+refs/*:refs/bundle/*"], local);
  const there = valid && (await git(call, ["cat-file", "-e", `${bundle.commit}^{tree}`])).code === 0;
  if (known.code !== 0 || !there) {
    const what =
      known.code !== 0
        ? "The upload is not a complete Git bundle."
        : `The upload has no commit ${bundle.commit}.`;
    throw new BuildError("source", "bundle_invalid", what, {
      traceback: known.err.trim().split("\n").slice(-4).join("\n") || null,
      hint: "Upload the folder again with offing deploy.",
    });
  }
  context.say(`unpacked the uploaded bundle at ${bundle.commit}`);
  // What `git describe` said where the history is; the upload has none.
  const described = await git(call, [
    "for-each-ref",
    "--count=1",
    "--format=%(refname:lstrip=4)",
    "refs/bundle/offing/describe",
  ]);
  return {
    repository,
    commit: bundle.commit,
    ref: bundle.ref,
    version: versionDescribed(described.out.trim()),
  };
}
