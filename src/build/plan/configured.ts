import { posix } from "node:path";
import { shellWord } from "../../lib/shell.ts";
import { BuildError } from "../build.ts";
import { type FastmcpConfig, readFastmcpJson } from "./fastmcp-json.ts";
import { foldersUp } from "./pyproject.ts";
import type { Survey } from "./survey.ts";

/** The configuration that holds for a checkout, and the dependency file that comes before it. */
export interface Configured {
  readonly config: FastmcpConfig | null;
  /** Relative to the checkout, where one was asked for that is no fastmcp.json. */
  readonly dependencyFile: string | null;
  readonly notes: readonly string[];
}

/**
 * The dependency file that was asked for, and the fastmcp.json: the one asked
 * for, else the nearest to the entrypoint that was asked for, else the root's.
 * Throws BuildError `dependency_file_invalid`, `dependency_file_missing`,
 * `fastmcp_json_invalid`.
 */
export async function askedConfig(
  files: Survey,
  asked: { readonly entrypoint: string | null; readonly dependencyFile: string | null },
): Promise<Configured> {
  const dependencyFile = asked.dependencyFile === null ? null : named(files, asked.dependencyFile);
  if (dependencyFile?.endsWith(".json") && posix.basename(dependencyFile) !== "Pipfile.lock") {
    const { config, note } = await readFastmcpJson(files.root, dependencyFile);
    if (config) return { config, dependencyFile: null, notes: config.notes };
    throw new BuildError(
      "plan",
      "fastmcp_json_invalid",
      `${note}, but it was asked for as the dependency file.`,
      {
        hint: "Leave --dependency-file out, or name a requirements file, a pyproject.toml, a lock or a fastmcp.json.",
      },
    );
  }
  const path = asked.entrypoint?.replace(/:.*$/s, "") ?? null;
  const folders =
    path === null || path.startsWith("/") ? ["."] : foldersUp(files.has(path) ? path : posix.join(path, "x"));
  for (const folder of folders.filter((one) => !one.startsWith(".."))) {
    const file = posix.normalize(posix.join(folder, "fastmcp.json"));
    if (!files.has(file)) continue;
    const { config, note } = await readFastmcpJson(files.root, file);
    if (config === null) return { config, dependencyFile, notes: note === null ? [] : [note] };
    const over = dependencyFile === null ? [] : [`${dependencyFile} comes before the environment of ${file}`];
    return { config, dependencyFile, notes: [...config.notes, ...over] };
  }
  return { config: null, dependencyFile, notes: [] };
}

function named(files: Survey, asked: string): string {
  const clean = posix.normalize(asked);
  if (asked.startsWith("/") || clean === ".." || clean.startsWith("../")) {
    throw new BuildError(
      "plan",
      "dependency_file_invalid",
      `The dependency file ${asked} is not inside the repository.`,
      {
        hint: "Give a path relative to the repository's root, like services/api/requirements.txt.",
      },
    );
  }
  if (files.has(clean)) return clean;
  const near = files.files.filter((path) => posix.basename(path) === posix.basename(clean)).slice(0, 3);
  const usual = files.files
    .filter((path) =>
      /(?:^|\/)(?:requirements[^/]*\.txt|pyproject\.toml|uv\.lock|poetry\.lock|Pipfile\.lock|fastmcp\.json)$/.test(
        path,
      ),
    )
    .slice(0, 5);
  throw new BuildError("plan", "dependency_file_missing", `There is no file ${clean} in the repository.`, {
    hint:
      near.length > 0
        ? `Did you mean --dependency-file ${near.map(shellWord).join(" or ")}?`
        : usual.length > 0
          ? `Files of dependencies there are ${usual.join(", ")}.`
          : "The repository has no file of dependencies; leave --dependency-file out.",
  });
}
