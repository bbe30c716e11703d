import { chmodSync, existsSync, lstatSync } from "node:fs";
import { lchown, lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pythonFolder } from "./interpreter.ts";
import type { Cell, Mount } from "./layers/cell.ts";
import { launch, type Exit, type Machine } from "./layers/launch.ts";
import { readLines } from "../lib/read-lines.ts";
import { makeTmp, type Claim, type RunFolder } from "./run-folder.ts";

const TMP_BYTES = 1024 * 1024 * 1024;
/** Where the folder of the proxy's socket is bound. */
const PROXY_FOLDER = "/proxy";

/** One command and everything it is given; `build` declares the same as a door. */
export interface SandboxCommand {
  readonly argv: readonly string[];
  /** Inside. */
  readonly cwd: string;
  /** The whole environment of the command; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** `proxy`: no network but an HTTP proxy, whose unix socket on the machine is `proxySocket`. */
  readonly network: { readonly kind: "none" } | { readonly kind: "proxy"; readonly proxySocket: string };
  readonly limits: {
    readonly memoryMb: number;
    readonly processes: number;
    readonly fileBytes: number;
  };
  readonly signal: AbortSignal;
  onLine(stream: "out" | "err", text: string): void;
}

export interface Sandbox {
  /** Runs one command to its end. A signal or a limit is told in `reason`. Rejects only when no sandbox can be made. */
  run(command: SandboxCommand): Promise<{ readonly code: number; readonly reason: string | null }>;
}

/**
 * Hands a writable mount to the uid of the sandbox, or back. Links are not
 * followed. A file with more than one name stays as it is: its other name may
 * be somebody else's.
 */
async function give(path: string | Buffer, uid: number, gid: number): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    // Deeper than a path can name; nobody reads it either.
    if (error.code === "ENAMETOOLONG") return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isDirectory() && found.nlink > 1) return;
  await lchown(path, uid, gid);
  if (!found.isDirectory()) return;
  // Names as bytes: not every one that a program makes is UTF-8.
  for (const name of await readdir(path, { encoding: "buffer" })) {
    await give(Buffer.concat([Buffer.from(path), Buffer.from("/"), name]), uid, gid);
  }
}

/**
 * Lets the uid of a sandbox connect to the platform's socket. Its folder keeps
 * everybody else out, so one that others may pass is refused.
 */
function openSocket(path: string): void {
  let closed = false;
  for (let at = dirname(path); at !== "/"; at = dirname(at)) closed ||= (lstatSync(at).mode & 0o001) === 0;
  if (!closed)
    throw new Error(
      `the proxy's socket ${path} lies in a folder that any user may pass; use one of mode 0700`,
    );
  chmodSync(path, 0o666);
}

function told(exit: Exit, command: SandboxCommand): { code: number; reason: string | null } {
  const code = exit.code ?? 137;
  if (command.signal.aborted) return { code, reason: "it was stopped" };
  if (exit.memory) return { code, reason: `it used more than its ${command.limits.memoryMb} MB of memory` };
  if (exit.signal !== null) return { code, reason: `it was ended by ${exit.signal}` };
  if (code === 128 + 25)
    return { code, reason: `it wrote a file of more than ${command.limits.fileBytes} bytes` };
  if (code > 128 && code < 160) return { code, reason: `it was ended by signal ${code - 128}` };
  return { code, reason: null };
}

function cellOf(command: SandboxCommand, machine: Machine, claim: Claim): Cell {
  const bwrapped = machine.layer === "bwrap";
  const uid = machine.layer === "none" ? null : claim.uid;
  if (!bwrapped) {
    const moved = command.mounts.find((mount) => mount.source !== mount.target);
    if (moved !== undefined) {
      throw new Error(
        `without bubblewrap ${moved.source} cannot be shown as ${moved.target}; install bubblewrap to run builds here`,
      );
    }
  }
  const tmp = bwrapped ? "/tmp" : makeTmp(claim, uid);
  const mounts = [...command.mounts];
  let argv = command.argv;
  if (command.network.kind === "proxy") {
    const socket = command.network.proxySocket;
    const folder = bwrapped ? PROXY_FOLDER : dirname(socket);
    // The socket itself, not its folder: what else lies there is none of the command's business.
    const path = join(folder, basename(socket));
    mounts.push({ source: socket, target: path, writable: true });
    const program = join(bwrapped ? "/offing" : pythonFolder, "forward.py");
    argv = [machine.python.executable, "-I", "-S", program, path, ...argv];
  }
  return {
    mounts,
    interpreters: [],
    argv,
    cwd: command.cwd,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: tmp, TMPDIR: tmp, LANG: "C.UTF-8", ...command.env },
    uid,
    folder: claim.folder,
    listen: null,
    network: "none",
    limits: { ...command.limits, cpus: null, tmpBytes: TMP_BYTES },
  };
}

/** Single commands on the layer that was probed. */
export function createSandbox(machine: Machine, folder: RunFolder): Sandbox {
  return {
    async run(command) {
      if (command.signal.aborted) return { code: 137, reason: "it was stopped" };
      const claim = folder.claim();
      const uid = machine.layer === "none" ? null : claim.uid;
      const writable = command.mounts.filter((mount) => mount.writable).map((mount) => mount.source);
      const platform = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      try {
        if (uid !== null) for (const path of writable) await give(path, uid, uid);
        if (uid !== null && command.network.kind === "proxy") openSocket(command.network.proxySocket);
        const mate = await launch(machine, cellOf(command, machine, claim), String(claim.number));
        const stop = (): void => mate.kill();
        command.signal.addEventListener("abort", stop, { once: true });
        if (command.signal.aborted) stop();
        mate.stdin.end();
        mate.control.resume();
        const lines = [
          readLines(mate.stdout, (text) => command.onLine("out", text)),
          readLines(mate.stderr, (text) => command.onLine("err", text)),
        ];
        const exit = await mate.ended;
        await Promise.all(lines);
        command.signal.removeEventListener("abort", stop);
        return told(exit, command);
      } finally {
        if (uid !== null)
          for (const path of writable) if (existsSync(path)) await give(path, platform.uid, platform.gid);
        claim.release();
      }
    },
  };
}
