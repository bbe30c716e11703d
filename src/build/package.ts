import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  chmod,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join, posix } from "node:path";
import { type Artifact, BuildError } from "./build.ts";
import { removeFolder, sweep } from "./folders.ts";
import { compileAll } from "./install/bytecode.ts";
import { environmentPath, readEnvironment } from "./install/environment.ts";
import type { Installed } from "./install.ts";
import type { Plan } from "./plan.ts";
import type { StepContext } from "./services.ts";

/** Where the unpacked wheel of the project itself lies in the frozen code. */
const PROJECT_WHEEL = ".offing/project";

/** What lies in `artifact.json`: the artifact, and what finding it again takes. */
interface Stored extends Artifact {
  readonly format: 1;
  /** The organization whose private environment it uses; null for a shared one. */
  readonly environmentOf: string | null;
}

/** An artifact's place on this machine, as a runner asks for it. */
export interface ArtifactPlace {
  readonly code: string;
  readonly environment: string;
  readonly entrypoint: string;
  readonly object: string | null;
  readonly program: string | null;
  readonly argv: readonly string[];
  readonly pythonPath: readonly string[];
}

/** An artifact that is not there whole. */
export class ArtifactMissing extends Error {
  override readonly name = "ArtifactMissing";
}

/**
 * Freezes a checkout and its environment as `<data>/artifacts/<digest>`. The
 * same content gives the same digest, and finds what is there already.
 */
export async function packageArtifact(
  context: StepContext,
  plan: Plan,
  installed: Installed,
  source: string,
  commit: string,
): Promise<{ readonly artifact: Artifact; readonly reused: boolean }> {
  const { dataDir } = context.services;
  const { environment, project } = installed;
  await rm(join(source, ".git"), { recursive: true, force: true });
  await rm(join(source, ".offing"), { recursive: true, force: true });
  if (project !== null)
    await cp(project, join(source, PROJECT_WHEEL), { recursive: true, verbatimSymlinks: true });
  const pythonPath = project === null ? plan.pythonPath : [...plan.pythonPath, PROJECT_WHEEL];
  const tree = await hashTree(source);
  const identity = [
    tree.hash,
    environment.key,
    installed.interpreter.executable,
    installed.interpreter.platform,
    plan.entrypoint.path,
    plan.entrypoint.object,
    plan.entrypoint.program,
    plan.entrypoint.argv,
    pythonPath,
    // A private environment is never lent to another organization that has the same code.
    environment.private ? context.organization : null,
  ];
  const digest = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const final = join(dataDir, "artifacts", digest);
  const there = await readStored(dataDir, digest);
  if (there) {
    context.say(`the artifact ${digest.slice(0, 12)} is here already`);
    // The same content may come from another commit, and that is the one to tell.
    return { artifact: { ...artifactOf(there), commit }, reused: true };
  }
  const stored: Stored = {
    format: 1,
    digest,
    commit,
    entrypoint: plan.entrypoint.path,
    object: plan.entrypoint.object,
    program: plan.entrypoint.program,
    argv: plan.entrypoint.argv,
    pythonPath,
    environment: environment.key,
    environmentOf: environment.private ? context.organization : null,
    python: installed.interpreter.version,
    packages: environment.packages,
    sizeBytes: tree.bytes,
  };
  await mkdir(join(dataDir, "artifacts"), { recursive: true });
  await sweep(join(dataDir, "artifacts"));
  const fresh = join(dataDir, "artifacts", `.new-${digest.slice(0, 16)}-${process.pid}-${Date.now()}`);
  try {
    await mkdir(fresh);
    await rename(source, join(fresh, "code"));
    await compileAll(context, installed.interpreter.executable, join(fresh, "code"));
    await writeFile(join(fresh, "artifact.json"), JSON.stringify(stored, null, 2));
    await freeze(join(fresh, "code"));
    await rename(fresh, final).catch(async (error: Error) => {
      if (!(await readStored(dataDir, digest))) throw error;
    });
  } finally {
    await removeFolder(fresh);
  }
  context.say(
    `the artifact ${digest.slice(0, 12)} has ${tree.files} files, ${Math.ceil(tree.bytes / 1024)} KiB`,
  );
  return { artifact: artifactOf(stored), reused: false };
}

/** Where an artifact lies. Throws ArtifactMissing when it, or its environment, is not there whole. */
export async function locateArtifact(dataDir: string, digest: string): Promise<ArtifactPlace> {
  const stored = await readStored(dataDir, digest);
  if (!stored)
    throw new ArtifactMissing(`There is no artifact ${digest} on this machine; build the server again.`);
  const environment = environmentPath(dataDir, stored.environmentOf, stored.environment);
  if (!(await readEnvironment(environment))) {
    throw new ArtifactMissing(
      `The Python environment of artifact ${digest} is gone; build the server again.`,
    );
  }
  return {
    code: join(dataDir, "artifacts", digest, "code"),
    environment,
    entrypoint: stored.entrypoint,
    object: stored.object,
    program: stored.program,
    argv: stored.argv,
    pythonPath: stored.pythonPath,
  };
}

/** What an artifact is; undefined when it is not here. */
export async function readArtifact(dataDir: string, digest: string): Promise<Artifact | undefined> {
  const stored = await readStored(dataDir, digest);
  return stored && artifactOf(stored);
}

async function readStored(dataDir: string, digest: string): Promise<Stored | undefined> {
  if (!/^[0-9a-f]{64}$/.test(digest)) return undefined;
  const text = await readFile(join(dataDir, "artifacts", digest, "artifact.json"), "utf8").catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    },
  );
  if (text === undefined) return undefined;
  const stored = JSON.parse(text) as Stored;
  if (stored.digest !== digest || stored.format !== 1) return undefined;
  // Written before these were known.
  return { ...stored, program: stored.program ?? null, argv: stored.argv ?? [] };
}

function artifactOf({ format: _format, environmentOf: _of, ...artifact }: Stored): Artifact {
  return artifact;
}

/** SHA-256, hex, over every path, kind, executable bit and content, in the order of their bytes. */
async function hashTree(root: string): Promise<{ hash: string; files: number; bytes: number }> {
  const hash = createHash("sha256");
  let files = 0;
  let bytes = 0;
  const head = (kind: string, path: string, size: number): void => {
    hash.update(`${kind} ${Buffer.byteLength(path)} ${path} ${size}\0`);
  };
  const walk = async (folder: string): Promise<void> => {
    const names = (await readdir(join(root, folder))).sort((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
    for (const name of names) {
      const path = posix.join(folder, name);
      const found = await lstat(join(root, path));
      if (found.isDirectory()) {
        head("d", path, 0);
        await walk(path);
      } else if (found.isSymbolicLink()) {
        const target = await readlink(join(root, path));
        head("l", path, Buffer.byteLength(target));
        hash.update(target);
      } else if (found.isFile()) {
        head((found.mode & 0o111) !== 0 ? "x" : "f", path, found.size);
        for await (const chunk of createReadStream(join(root, path))) hash.update(chunk as Buffer);
        files++;
        bytes += found.size;
      } else {
        throw new BuildError(
          "package",
          "file_unsupported",
          `${path} is neither a file, a folder nor a link.`,
        );
      }
    }
  };
  await walk("");
  return { hash: hash.digest("hex"), files, bytes };
}

/** Takes every write permission away, and lets any uid read: instances run under uids of their own. */
async function freeze(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await freeze(path);
    else if (entry.isFile()) await chmod(path, ((await lstat(path)).mode & 0o111) !== 0 ? 0o555 : 0o444);
  }
  await chmod(folder, 0o555);
}
