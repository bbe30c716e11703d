import { posix } from "node:path";
import { shellWord } from "../../lib/shell.ts";
import { BuildError } from "../build.ts";
import type { Absent } from "../source/checkout.ts";
import type { Dependencies } from "./dependencies.ts";
import { closureOf, importFolders } from "./imports.ts";
import { foldersUp } from "./pyproject.ts";
import type { Survey } from "./survey.ts";

const DECLARING = [
  "requirements.txt",
  "pyproject.toml",
  "uv.lock",
  "poetry.lock",
  "Pipfile.lock",
  "fastmcp.json",
];

/**
 * What the checkout lacks, in words. Throws BuildError `lfs_pointer` where the
 * entrypoint, a module that it imports or a file of dependencies is a Git LFS
 * pointer, `submodule_missing` where the code imports from a submodule.
 */
export async function checkAbsent(
  files: Survey,
  entrypoint: string,
  dependencyFile: string | null,
  absent: Absent,
  warn: (text: string) => void,
): Promise<void> {
  const closure = await closureOf(files, entrypoint);
  const needed = new Set([
    ...closure.files,
    ...(dependencyFile === null ? [] : [dependencyFile]),
    ...foldersUp(entrypoint).flatMap((folder) =>
      DECLARING.map((name) => posix.normalize(posix.join(folder, name))),
    ),
  ]);
  const pointer = absent.pointers.find((path) => needed.has(path));
  if (pointer !== undefined) {
    throw new BuildError(
      "plan",
      "lfs_pointer",
      `${pointer} is a Git LFS pointer: the repository holds its address, not its content.`,
      {
        hint: `Commit the file itself: git lfs untrack ${shellWord(pointer)} && git add --renormalize . && git commit -m "Keep the file in Git"`,
      },
    );
  }
  if (absent.pointers.length > 0) {
    const shown = absent.pointers.slice(0, 5).join(", ");
    const more = absent.pointers.length > 5 ? ` and ${absent.pointers.length - 5} more` : "";
    warn(
      `Git LFS is not fetched: ${shown}${more} hold the address of their content only; code that reads them finds that`,
    );
  }
  const folders = importFolders(files, entrypoint);
  const submodules = new Set(absent.submodules);
  const above = new Map(
    absent.submodules.flatMap((path) => foldersOf(path).map((folder): [string, string] => [folder, path])),
  );
  const modules = submodules.size === 0 ? [] : new Set(closure.foreign.map(({ module }) => module));
  for (const module of modules) {
    const path = folders
      .map((folder) => posix.join(folder, module.replaceAll(".", "/")))
      .map(
        (at) =>
          [at, ...foldersOf(at)].find((one) => submodules.has(one)) ??
          (module === "" ? undefined : above.get(at)),
      )
      .find((one) => one !== undefined);
    if (path === undefined) continue;
    throw new BuildError(
      "plan",
      "submodule_missing",
      `The code imports ${module}, which lies in the submodule ${path}; submodules are not fetched.`,
      {
        hint: `Commit the files themselves (git rm --cached ${shellWord(path)}; git add ${shellWord(path)}), or name the submodule's repository as a dependency: name @ git+https://…`,
      },
    );
  }
}

/**
 * Throws BuildError `dependency_folder_missing` for a requirement that names a
 * folder or a file which the checkout has not, `submodule_missing` where a
 * submodule would have it.
 */
export function checkFolders(files: Survey, { source, added }: Dependencies, absent: Absent): void {
  const own = source.kind === "requirements" ? source.requirements.fromSource : [];
  const submodules = new Set(absent.submodules);
  let folders: ReadonlySet<string> | undefined;
  for (const line of [...own, ...added.fromSource]) {
    const path = /^\.\/([^[;]*?)(?:\[[^\]]*\])?\s*(?:;.*)?$/.exec(line)?.[1]?.replace(/\/$/, "");
    if (path === undefined || path === "" || path === ".") continue;
    const submodule = [path, ...foldersOf(path)].find((one) => submodules.has(one));
    if (submodule !== undefined) {
      throw new BuildError(
        "plan",
        "submodule_missing",
        `The requirement ${line} lies in the submodule ${submodule}; submodules are not fetched.`,
        { hint: "Name the submodule's repository as the dependency: name @ git+https://…" },
      );
    }
    folders ??= new Set(files.files.flatMap(foldersOf));
    if (files.has(path) || folders.has(path)) continue;
    throw new BuildError(
      "plan",
      "dependency_folder_missing",
      `There is no ${path} in the repository, which the requirement ${line} names.`,
      { hint: "Correct the path, which is relative to the file that names it, or commit the folder." },
    );
  }
}

/** The folders that a path lies in, the outermost first, without the root. */
function foldersOf(path: string): string[] {
  const found: string[] = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) found.push(path.slice(0, at));
  return found;
}
