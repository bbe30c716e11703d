import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { BuildError } from "../build.ts";
import { runChild } from "../child.ts";
import { sweep } from "../folders.ts";
import { normalizeName } from "../plan/requirements.ts";
import { again } from "./again.ts";
import { uvFailure } from "./failure.ts";
import { printLock, type Locked } from "./lock.ts";
import { fileInside, filesInside } from "./outputs.ts";
import { inputFolder, inside, sandboxedUv, sandboxFolder, type Uv, versionEnv } from "./uv.ts";

/** A wheel's file name (binary distribution format, "File name convention"). */
const WHEEL_NAME = /^([A-Za-z0-9][\w.]*)-([\w.!+]+)(?:-\d[\w.]*)?-[\w.]+-[\w.]+-[\w.]+\.whl$/;

/** A wheel that was built here, kept within its organization. */
export interface BuiltWheel {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly sha256: string;
}

/**
 * Builds whatever of a lock has no ready wheel: installs the lock once in the
 * sandbox with a private cache, and keeps the wheels that uv built on the way.
 * Throws BuildError of step `install`.
 */
export async function buildWheels(uv: Uv, lock: readonly Locked[]): Promise<BuiltWheel[]> {
  const entries = lock.map((entry) =>
    entry.requirement.startsWith("./")
      ? { ...entry, requirement: `${inside}/source/${entry.requirement.slice(2)}` }
      : entry,
  );
  await mkdir(inputFolder(uv.context), { recursive: true });
  await writeFile(join(inputFolder(uv.context), "wheels.txt"), printLock(entries));
  const env = `${inside}/env`;
  const made = await sandboxedUv(uv, {
    args: ["venv", "--quiet", "--clear", "--python", uv.interpreter.executable, env],
    cwd: "out",
    network: false,
  });
  if (made.code !== 0) throw uvFailure(uv, made, "The sandbox could not make an environment");
  const args = ["pip", "install", "--no-deps", "--python", `${env}/bin/python`];
  const result = await again(
    uv,
    (refresh) =>
      sandboxedUv(uv, {
        args: [...args, ...refresh, "--requirements", "/input/wheels.txt"],
        cwd: "out",
        network: true,
      }),
    lock,
  );
  if (result.code !== 0) throw uvFailure(uv, result, "A dependency could not be built");
  // Another wheel than one that was asked for would be somebody's own idea.
  const names = new Set(lock.map((entry) => entry.name));
  const anonymous = lock.some((entry) => entry.name === null);
  const kept: BuiltWheel[] = [];
  for (const path of await filesInside(sandboxFolder(uv.context), "cache", ".whl")) {
    const wheel = await keep(uv, path);
    if (wheel && (anonymous || names.has(wheel.name)) && !kept.some(({ name }) => name === wheel.name))
      kept.push(wheel);
  }
  return kept;
}

/**
 * Builds the project itself and unpacks its wheel to `target`, so that its
 * metadata, entry points and data files exist; the code that serves is still
 * the checkout. Returns false, with a line that says why, when that fails but
 * the dependencies are known without it.
 */
export async function buildProject(
  uv: Uv,
  { folder, optional }: { readonly folder: string; readonly optional: boolean },
  target: string,
): Promise<boolean> {
  const project = posix.join("source", folder);
  const python = uv.interpreter.executable;
  const result = await again(uv, () =>
    sandboxedUv(uv, {
      args: ["build", "--wheel", "--python", python, "--out-dir", `${inside}/out/project`, "."],
      cwd: project,
      network: true,
      env: versionEnv(uv),
      // Copying every file is told line by line.
      quiet: true,
    }),
  );
  const wheels = result.code === 0 ? await filesInside(sandboxFolder(uv.context), "out/project", ".whl") : [];
  const wheel = wheels[0];
  if (wheel === undefined) {
    const failure = uvFailure(uv, result, "The project itself could not be built", true);
    if (!optional)
      throw new BuildError("install", "project_build_failed", failure.message, {
        traceback: failure.traceback,
        hint: failure.hint,
        cause: failure,
      });
    uv.context.warn(
      `the project's own wheel could not be built; the checkout serves without its metadata and entry points: ${failure.message}`,
    );
    return false;
  }
  const path = await fileInside(sandboxFolder(uv.context), wheel);
  const unpacked = await runChild({
    argv: [uv.interpreter.executable, "-I", "-S", "-m", "zipfile", "-e", path, target],
    cwd: "/",
    env: {},
    signal: uv.context.signal,
  });
  if (unpacked.code !== 0)
    throw new BuildError("install", "project_build_failed", "The project's wheel is not a valid archive.");
  uv.context.say(`built ${basename(wheel)}, for its metadata and entry points`);
  return true;
}

async function keep(uv: Uv, path: string): Promise<BuiltWheel | undefined> {
  const file = await fileInside(sandboxFolder(uv.context), path);
  // Code of the author's may have chosen the name, and it becomes part of a list for trusted uv.
  const [, name, version] = WHEEL_NAME.exec(basename(file)) ?? [];
  if (name === undefined || version === undefined) return undefined;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  const sha256 = hash.digest("hex");
  const { services, organization } = uv.context;
  const wheels = join(services.dataDir, "organizations", organization, "wheels");
  await mkdir(wheels, { recursive: true });
  await sweep(wheels);
  const fresh = join(wheels, `.new-wheel-${process.pid}-${process.hrtime.bigint()}`);
  await mkdir(fresh);
  await copyFile(file, join(fresh, basename(file)));
  await rename(fresh, join(wheels, sha256)).catch(() => rm(fresh, { recursive: true, force: true }));
  return { name: normalizeName(name), version, path: join(wheels, sha256, basename(file)), sha256 };
}
