import { readFileSync } from "node:fs";

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
}

function residentPages(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1] ?? 0);
  } catch {
    return 0;
  }
}

function treePages(pid: number): number {
  let pages = residentPages(pid);
  for (const child of childrenOf(pid)) pages += treePages(child);
  return pages;
}

/**
 * Bounds the resident memory of a process tree where no control group can:
 * looks ten times a second and calls `kill` once above the limit. Shared pages
 * count once per process, so a tree that forks is stopped early, never late.
 */
export function watchMemory(
  pid: number,
  memoryMb: number,
  kill: () => void,
): { stop(): void; exceeded(): boolean } {
  let exceeded = false;
  const timer = setInterval(() => {
    if ((treePages(pid) * 4096) / 1024 / 1024 <= memoryMb) return;
    exceeded = true;
    clearInterval(timer);
    kill();
  }, 100);
  timer.unref();
  return { stop: () => clearInterval(timer), exceeded: () => exceeded };
}
