import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { pythonFolder, type Interpreter } from "../interpreter.ts";
import { rlimits, type Cell, type Plan } from "./cell.ts";

interface Options {
  readonly python: Interpreter;
  readonly dataLimit: boolean;
}

/** Folders of the system that any program reads; the platform's own lie outside of them. */
const SYSTEM = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/etc",
  "/proc",
  "/sys/devices/system/cpu",
];
const DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/shm"];

/**
 * Throws, naming the folder, when a uid of its own could not come to one of
 * the paths: without a mount namespace a folder of mode 0700 above shuts it out.
 */
export function mustReach(paths: readonly string[]): void {
  for (const path of paths) {
    for (let at = path; at !== "/"; at = dirname(at)) {
      const found = statSync(at, { throwIfNoEntry: false });
      if (!found?.isDirectory() || (found.mode & 0o001) !== 0) continue;
      throw new Error(
        `${path} lies in ${at}, which no other user may pass, so an instance under a uid of its own cannot read it. ` +
          "Put it below folders that others may pass, or install bubblewrap, which needs no way there",
      );
    }
  }
}

function confine(python: Interpreter): string[] {
  return [python.executable, "-I", "-S", join(pythonFolder, "confine.py")];
}

/**
 * The cell on the machine's own file tree, fenced by Landlock, seccomp, limits
 * and a uid of its own. No namespace: it sees the machine's processes by number
 * and UDP is open, so it is for one tenant's trusted code. TCP is closed where
 * the kernel can (6.7+).
 */
export function landlockPlan(cell: Cell, options: Options & { readonly seccomp: string }): Plan {
  if (cell.uid !== null)
    mustReach([pythonFolder, ...options.python.folders, ...cell.mounts.map((mount) => mount.source)]);
  return {
    argv: confine(options.python),
    confinement: {
      uid: cell.uid,
      dieWith: process.pid,
      rlimits: rlimits(cell.limits, options.dataLimit),
      landlock: {
        read: [
          ...SYSTEM,
          ...options.python.folders,
          ...cell.interpreters,
          pythonFolder,
          ...cell.mounts.filter((mount) => !mount.writable).map((mount) => mount.source),
        ],
        write: [
          ...DEVICES,
          join(cell.folder, "tmp"),
          ...cell.mounts.filter((mount) => mount.writable).map((mount) => mount.source),
        ],
        tcp: false,
      },
      seccomp: options.seccomp,
      cwd: cell.cwd,
      argv: cell.argv,
      env: cell.env,
    },
  };
}

/** No isolation but limits: only where `none` was asked for by name. */
export function plainPlan(cell: Cell, options: Options): Plan {
  return {
    argv: confine(options.python),
    confinement: {
      uid: null,
      dieWith: process.pid,
      rlimits: rlimits(cell.limits, options.dataLimit),
      landlock: null,
      seccomp: null,
      cwd: cell.cwd,
      argv: cell.argv,
      env: cell.env,
    },
  };
}
