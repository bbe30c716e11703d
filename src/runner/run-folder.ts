import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomText } from "../lib/ids.ts";
import { removeCgroups } from "./layers/cgroup.ts";
import { isAlive, thisProcess, type Owner } from "./owner.ts";

/** Kernel uids that cells run under, in blocks of one owner each; no system gives them to anybody. */
const FIRST_UID = 200_000;
const BLOCK = 1000;
const BLOCKS = 1000;

/** A unix socket's path ends at 107 bytes (unix(7)); the longest name below a base is `/999/999999/s`. */
const LONGEST_BASE = 107 - "/999/999999/s".length;

/** What one runner process has to itself while it lives: a folder and a block of uids. */
export interface RunFolder {
  readonly path: string;
  /** Name of the owner's control groups. */
  readonly name: string;
  /** Writes down groups that a later sweep removes. */
  remember(cgroups: readonly string[]): void;
  /** A new cell: a folder of mode 0700 and, as root, a uid that no living cell has. */
  claim(): Claim;
  close(): Promise<void>;
}

export interface Claim {
  readonly folder: string;
  readonly number: number;
  readonly uid: number | null;
  release(): void;
}

interface OwnerFile extends Owner {
  readonly cgroups: readonly string[];
}

function base(wanted: string | undefined): string {
  const root = process.getuid?.() === 0;
  const own = process.getuid?.() ?? 0;
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const candidates = [
    wanted,
    root ? "/run/offing" : undefined,
    !root && runtime !== undefined && runtime !== "" ? join(runtime, "offing") : undefined,
    join(tmpdir(), `offing-${own}`),
    `/tmp/offing-${own}`,
  ];
  for (const candidate of candidates) {
    if (candidate === undefined || Buffer.byteLength(candidate) > LONGEST_BASE) continue;
    try {
      mkdirSync(candidate, { recursive: true, mode: root ? 0o711 : 0o700 });
      const found = lstatSync(candidate);
      // Somebody else's folder, or a link, at a guessable name in /tmp is a trap.
      if (!found.isDirectory() || found.uid !== own || (found.mode & 0o022) !== 0) continue;
      // Cells pass through by their uid where the layer has no mounts; every folder below is shut by its own mode.
      if (root) chmodSync(candidate, 0o711);
      return candidate;
    } catch {
      continue;
    }
  }
  throw new Error(
    "no folder for sockets can be made: tried /run/offing (as root), $XDG_RUNTIME_DIR/offing and /tmp/offing-<uid>",
  );
}

function read(folder: string): OwnerFile | null {
  try {
    return JSON.parse(readFileSync(join(folder, "owner.json"), "utf8")) as OwnerFile;
  } catch {
    return null;
  }
}

/** Ends every process whose uid lies in the block; only root runs cells under uids of their own. */
function endProcesses(firstUid: number): void {
  if (process.getuid?.() !== 0) return;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const uid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${entry}/status`, "utf8"))?.[1]);
      if (uid >= firstUid && uid < firstUid + BLOCK) process.kill(Number(entry), "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

async function sweep(folder: string, block: number): Promise<void> {
  endProcesses(FIRST_UID + block * BLOCK);
  await removeCgroups(read(folder)?.cgroups ?? []);
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Removes what dead owners left (processes, control groups, folders) and takes
 * a block for this process. `wanted` is used where it is short enough for a
 * socket's path, else a short folder of the system. Throws when none can be made.
 */
export async function openRunFolder(wanted: string | undefined): Promise<RunFolder> {
  const parent = base(wanted);
  for (const entry of readdirSync(parent)) {
    const folder = join(parent, entry);
    if (!/^\d+$/.test(entry)) continue;
    const owner = read(folder);
    // Without an owner file it is being claimed this moment, or was left in the instant before; age tells which.
    const stale = owner === null ? Date.now() - lstatSync(folder).ctimeMs > 10_000 : !isAlive(owner);
    if (stale) await sweep(folder, Number(entry));
  }
  for (let block = 0; block < BLOCKS; block++) {
    const path = join(parent, String(block));
    try {
      mkdirSync(path, { mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw error;
    }
    return open(path, block);
  }
  throw new Error(`${BLOCKS} runners use ${parent} already`);
}

function open(path: string, block: number): RunFolder {
  const root = process.getuid?.() === 0;
  const owner = thisProcess();
  const file = join(path, "owner.json");
  writeFileSync(file, JSON.stringify({ ...owner, cgroups: [] }), { mode: 0o600 });
  const taken = new Set<number>();
  let next = 0;
  let cgroups: readonly string[] = [];
  return {
    path,
    // Never used twice: what still removes the groups of a closed runner must not meet the next one's.
    name: `offing-${randomText(8)}-${owner.pid}-${owner.started}`,
    remember: (folders) => {
      cgroups = folders;
      writeFileSync(file, JSON.stringify({ ...owner, cgroups }), { mode: 0o600 });
    },
    claim: () => {
      if (taken.size >= BLOCK) throw new Error(`more than ${BLOCK} sandboxes at once`);
      while (taken.has(next % BLOCK)) next++;
      const number = next++;
      const slot = number % BLOCK;
      taken.add(slot);
      const folder = join(path, String(number % 1_000_000));
      mkdirSync(folder, { mode: 0o700 });
      const uid = root ? FIRST_UID + block * BLOCK + slot : null;
      return {
        folder,
        number,
        uid,
        release: () => {
          rmSync(folder, { recursive: true, force: true });
          taken.delete(slot);
        },
      };
    },
    close: async () => {
      await removeCgroups(cgroups);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** The private /tmp, of `uid`, of a cell whose layer mounts none. */
export function makeTmp(claim: Claim, uid: number | null): string {
  const tmp = join(claim.folder, "tmp");
  mkdirSync(tmp, { mode: 0o700 });
  if (uid !== null) {
    // The uid has to pass through; the socket beside stays shut by its own mode.
    chmodSync(claim.folder, 0o711);
    chownSync(tmp, uid, uid);
  }
  return tmp;
}
