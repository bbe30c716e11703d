import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../owner.ts";
import type { Limits } from "./cell.ts";

const ROOT = "/sys/fs/cgroup";

/** A place in which control groups can be made: v2 where it is delegated, else v1 hierarchies. */
export interface Cgroups {
  readonly version: 1 | 2;
  /** Parents of the groups: one for v2, one per controller for v1. */
  readonly parents: readonly string[];
}

/** One process tree's group. */
export interface Cgroup {
  /** The folders, for a later sweep. */
  readonly folders: readonly string[];
  /** Files that a process writes `0` into to enter. */
  readonly procs: readonly string[];
  /** How many processes the kernel killed because the memory limit was reached. */
  memoryKills(): number;
  /** Kills whatever is in it and removes it. */
  remove(): Promise<void>;
}

function write(file: string, value: string): void {
  writeFileSync(file, value);
}

/** The groups this process is in: controller list → path. `""` is v2. */
function own(): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(",")) groups.set(controller, path);
  }
  return groups;
}

function version2(name: string): Cgroups | null {
  const path = own().get("");
  if (path === undefined || !existsSync(join(ROOT, "cgroup.controllers"))) return null;
  const here = join(ROOT, path);
  // A group with processes may not hand controllers down (the root may): the platform moves into a leaf first.
  const attempts = process.getuid?.() === 0 ? [here, ROOT] : [here];
  for (const base of attempts) {
    try {
      const needed = ["memory", "pids", "cpu"].filter((controller) =>
        readFileSync(join(base, "cgroup.controllers"), "utf8").split(/\s/).includes(controller),
      );
      if (!needed.includes("memory") || !needed.includes("pids")) continue;
      const enabled = readFileSync(join(base, "cgroup.subtree_control"), "utf8").split(/\s/);
      if (!needed.every((controller) => enabled.includes(controller))) {
        if (base !== ROOT) {
          const leaf = join(base, "platform");
          mkdirSync(leaf, { recursive: true });
          write(join(leaf, "cgroup.procs"), String(process.pid));
        }
        write(join(base, "cgroup.subtree_control"), needed.map((controller) => `+${controller}`).join(" "));
      }
      const parent = join(base, name);
      mkdirSync(parent, { recursive: true });
      write(join(parent, "cgroup.subtree_control"), needed.map((controller) => `+${controller}`).join(" "));
      return { version: 2, parents: [parent] };
    } catch {
      continue;
    }
  }
  return null;
}

function version1(name: string): Cgroups | null {
  const groups = own();
  const parents: string[] = [];
  for (const controller of ["memory", "pids", "cpu"]) {
    const path = groups.get(controller);
    if (path === undefined) return null;
    // Inside a container the path of the machine is not there; the mount's root is then this container's group.
    const inside = join(ROOT, controller, path);
    const parent = join(existsSync(inside) ? inside : join(ROOT, controller), name);
    try {
      mkdirSync(parent);
    } catch {
      return null;
    }
    parents.push(parent);
    // An ordinary folder at that place (a chroot's) takes every write and limits nothing.
    if (!existsSync(join(parent, "cgroup.procs"))) {
      for (const made of parents) rmdirSync(made);
      return null;
    }
  }
  return { version: 1, parents };
}

/**
 * Makes the platform's own groups, named `name` (it ends in the owner's pid and
 * start time), and removes those beside it whose owner is dead. Null where this
 * machine lets it make none.
 */
export async function openCgroups(name: string): Promise<Cgroups | null> {
  try {
    const opened = version2(name) ?? version1(name);
    for (const parent of opened?.parents ?? []) {
      const beside = dirname(parent);
      for (const entry of readdirSync(beside)) {
        const [, pid, started] = /^offing-[0-9a-z]{8}-(\d+)-(\d+)$/.exec(entry) ?? [];
        if (pid === undefined || started === undefined) continue;
        if (!isAlive({ pid: Number(pid), started })) await removeCgroups([join(beside, entry)]);
      }
    }
    return opened;
  } catch {
    return null;
  }
}

/** A group below the platform's, with limits. Throws when a limit cannot be set. */
export function makeCgroup(cgroups: Cgroups, name: string, limits: Limits): Cgroup {
  const folders = cgroups.parents.map((parent) => join(parent, name));
  for (const folder of folders) mkdirSync(folder);
  const bytes = String(limits.memoryMb * 1024 * 1024);
  const first = folders[0]!;
  if (cgroups.version === 2) {
    write(join(first, "memory.max"), bytes);
    if (existsSync(join(first, "memory.swap.max"))) write(join(first, "memory.swap.max"), "0");
    write(join(first, "memory.oom.group"), "1");
    write(join(first, "pids.max"), String(limits.processes));
    if (limits.cpus !== null && existsSync(join(first, "cpu.max"))) {
      write(join(first, "cpu.max"), `${Math.round(limits.cpus * 100_000)} 100000`);
    }
  } else {
    write(join(first, "memory.limit_in_bytes"), bytes);
    const withSwap = join(first, "memory.memsw.limit_in_bytes");
    if (existsSync(withSwap)) write(withSwap, bytes);
    write(join(folders[1]!, "pids.max"), String(limits.processes));
    if (limits.cpus !== null) {
      write(join(folders[2]!, "cpu.cfs_quota_us"), String(Math.round(limits.cpus * 100_000)));
    }
  }
  let removing: Promise<void> | null = null;
  return {
    folders,
    procs: folders.map((folder) => join(folder, "cgroup.procs")),
    memoryKills: () => {
      try {
        const file = cgroups.version === 2 ? "memory.events" : "memory.oom_control";
        return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(first, file), "utf8"))?.[1] ?? 0);
      } catch {
        return 0;
      }
    },
    remove: () => (removing ??= removeCgroups(folders)),
  };
}

/** Kills what is left in the folders and removes them; those that are gone already are no error. */
export async function removeCgroups(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    for (let attempt = 0; attempt < 200 && existsSync(folder); attempt++) {
      try {
        if (existsSync(join(folder, "cgroup.kill"))) write(join(folder, "cgroup.kill"), "1");
        for (const line of readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n")) {
          const pid = Number(line);
          if (pid > 1 && pid !== process.pid) process.kill(pid, "SIGKILL");
        }
      } catch {
        // A process that ended between reading and killing is what we want.
      }
      try {
        for (const entry of readdirSync(folder, { withFileTypes: true })) {
          if (entry.isDirectory()) await removeCgroups([join(folder, entry.name)]);
        }
        rmdirSync(folder);
      } catch {
        await sleep(10);
      }
    }
  }
}
