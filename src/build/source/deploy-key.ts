import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../build.ts";
import { runChild } from "../child.ts";
import type { StepContext } from "../services.ts";

/** An organization's own ssh key: its repositories let it in as a deploy key. */
export interface DeployKey {
  /** Absolute path of the private half (mode 0600). */
  readonly path: string;
  /** As a Git host takes it: `ssh-ed25519 AAAA… offing`. */
  readonly publicKey: string;
}

/**
 * The key of a build's organization, made at its first source over ssh. One
 * organization's key opens nothing for another. Throws BuildError `ssh_missing`.
 */
export async function deployKey(context: StepContext): Promise<DeployKey> {
  const parent = join(context.services.dataDir, "organizations", context.organization);
  const folder = join(parent, "ssh");
  const found = await read(folder);
  if (found) return found;
  await mkdir(parent, { recursive: true });
  const fresh = await mkdtemp(join(parent, ".ssh-"));
  try {
    const argv = [
      "ssh-keygen",
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-C",
      "offing",
      "-f",
      join(fresh, "id_ed25519"),
    ];
    const env = { PATH: context.services.env["PATH"] ?? "/usr/bin:/bin", HOME: context.work };
    const made = await runChild({ argv, cwd: context.work, env, signal: context.signal }).catch(
      () => undefined,
    );
    if (made?.code !== 0) {
      throw new BuildError(
        "source",
        "ssh_missing",
        "A source over ssh needs ssh, which this machine does not have.",
        {
          hint: "Install it (Debian: apt install openssh-client), or give an https address.",
        },
      );
    }
    // Whoever renames first wins; the other's key was never shown to anybody.
    await rename(fresh, folder).catch(() => {});
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return (await read(folder))!;
}

async function read(folder: string): Promise<DeployKey | undefined> {
  const path = join(folder, "id_ed25519");
  const text = await readFile(`${path}.pub`, "utf8").catch(() => undefined);
  return text === undefined ? undefined : { path, publicKey: text.trim() };
}
