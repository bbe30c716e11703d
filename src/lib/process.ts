import { readFileSync } from "node:fs";

/**
 * When a process started, in kernel ticks since boot, or undefined when it is
 * gone. Together with its pid this names a process: pids alone come again.
 * (proc(5), `/proc/[pid]/stat`, field 22.)
 */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number, start: string): boolean {
  return processStart(pid) === start;
}
