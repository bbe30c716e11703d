import { createHash } from "node:crypto";
import { needsBuild, requirementName } from "../plan/requirements.ts";

/** One line of a lock: an exact version or an exact address. */
export interface Locked {
  /** As PEP 503 normalizes it; null where only a folder is known. */
  readonly name: string | null;
  /** `name==1.0 ; marker`, `name @ https://…` or `./folder`; without hashes. */
  readonly requirement: string;
  /** `sha256:…`, any of which the file may have. */
  readonly hashes: readonly string[];
  /** True where code of somebody's has to run to install it. */
  readonly fromSource: boolean;
}

/** Reads what `uv pip compile` and `uv export` write. */
export function parseLock(text: string): Locked[] {
  return text
    .replace(/\\\r?\n/g, " ")
    .split(/\r?\n/)
    .map((line) =>
      line
        .replace(/\s+/g, " ")
        .replace(/(?:^| )#.*$/, "")
        .trim(),
    )
    .filter((line) => line !== "" && !line.startsWith("--"))
    .map((line) => {
      const hashes = [...line.matchAll(/--hash[= ](\S+)/g)].map((match) => match[1] ?? "");
      const requirement = line
        .replace(/ --hash[= ]\S+/g, "")
        .replace(/^(?:-e|--editable) /, "")
        .trim();
      return {
        name: requirementName(requirement) ?? null,
        requirement,
        hashes: hashes.sort(),
        fromSource: needsBuild(requirement),
      };
    })
    .sort((a, b) => (a.requirement < b.requirement ? -1 : 1));
}

/** The same lock as a requirements file. */
export function printLock(entries: readonly Locked[]): string {
  return entries
    .map((entry) => [entry.requirement, ...entry.hashes.map((hash) => `--hash=${hash}`)].join(" ") + "\n")
    .join("");
}

/**
 * The key of the environment that a lock makes: SHA-256, hex, over lock,
 * interpreter and platform; `extra` tells apart what a lock cannot pin (folders
 * of the checkout, wheels built here).
 */
export function environmentKey(
  entries: readonly Locked[],
  python: { readonly executable: string; readonly version: string; readonly platform: string },
  extra: readonly string[],
): string {
  const parts = [printLock(entries), python.executable, python.version, python.platform, ...extra];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
