import { readFileSync } from "node:fs";

/** A process named so that a later one with the same number is not taken for it. */
export interface Owner {
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/pid/stat (proc(5)). */
  readonly started: string;
}

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** This process, for a file that others read. */
export function thisProcess(): Owner {
  return { pid: process.pid, started: startOf(process.pid)! };
}

export function isAlive(owner: Owner): boolean {
  return startOf(owner.pid) === owner.started;
}
