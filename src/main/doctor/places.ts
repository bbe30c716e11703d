import {
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { RunFile } from "../../cli/context.ts";
import { isAlive } from "../../lib/process.ts";
import { listen } from "../listen.ts";
import { type Check, fine, lacking, type Machine, type Probe } from "./check.ts";

/** What a build may take of the disk. Below it, builds of heavy servers fail. */
const ROOMY = 2 * 1024 ** 3;
/** Below it, not even PostgreSQL and one small environment fit. */
const CRAMPED = 256 * 1024 ** 2;

const folder = (name: string, means: string, pathOf: (machine: Machine) => string): Probe => ({
  name,
  means,
  needed: true,
  withinMs: 5000,
  async run(machine) {
    return [look({ name, means }, pathOf(machine))];
  },
});

export const dataFolder = folder(
  "data folder",
  "everything that must survive",
  ({ config }) => config.dataDir,
);
export const cacheFolder = folder(
  "cache folder",
  "tools and wheels, which can be fetched again",
  ({ config }) => config.cacheDir,
);

function look(probe: Pick<Probe, "name" | "means">, path: string): Check {
  const at = existing(path);
  const words = at === path ? path : `${path}, to be made`;
  try {
    const made = mkdtempSync(join(at, ".offing-doctor-"));
    try {
      writeFileSync(join(made, "file"), "fine");
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
  } catch (error) {
    const fix = `as root: mkdir -p ${path} && chown ${process.getuid?.()} ${path}`;
    return lacking(probe, "missing", { found: `${words}: ${(error as Error).message}`, fix, needed: true });
  }
  const { bavail, bsize } = statfsSync(at);
  const free = bavail * bsize;
  const found = `${words}, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free >= ROOMY) return fine(probe, found);
  return lacking(probe, free < CRAMPED ? "missing" : "limited", {
    found,
    fix: "free some space; a build may take 2 GiB",
    needed: free < CRAMPED,
  });
}

/** The nearest folder on the way to `path` that is there. */
function existing(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : existing(dirname(path));
}

export const links: Probe = {
  name: "shared wheels",
  means: "environments share the cache's files by hard links; else each is a copy",
  needed: false,
  withinMs: 5000,
  async run({ config }) {
    const made: string[] = [];
    const file = (folder: string): string => {
      made.push(mkdtempSync(join(existing(folder), ".offing-doctor-")));
      return join(made.at(-1)!, "file");
    };
    try {
      const from = file(config.cacheDir);
      writeFileSync(from, "fine");
      linkSync(from, file(config.dataDir));
      return [fine(links, "the data folder takes hard links to the cache")];
    } catch (error) {
      const found = `the data folder takes no hard links to the cache: ${(error as NodeJS.ErrnoException).code}`;
      const fix = "set OFFING_CACHE to a folder of one's own, on the file system of the data folder";
      return [lacking(links, "limited", { found, fix, needed: false })];
    } finally {
      for (const folder of made) rmSync(folder, { recursive: true, force: true });
    }
  },
};

export const program: Probe = {
  name: "program",
  means: "what every other command talks to",
  needed: false,
  withinMs: 10_000,
  async run({ config }, signal) {
    const run = runFile(config.dataDir);
    if (run === undefined)
      return [fine(program, `none runs on ${config.dataDir}; start it with ./offing up`)];
    if (!isAlive(run.pid, run.start)) {
      return [
        fine(
          program,
          `none runs on ${config.dataDir}; the last one was killed, and ./offing up goes on where it was`,
        ),
      ];
    }
    const found = `process ${run.pid} runs on ${config.dataDir} and serves ${run.url}`;
    try {
      // Without a key the answer is a refusal; that it answers is what is asked.
      await (await fetch(`${run.url}/api/v1/me`, { signal })).body?.cancel();
      return [fine(program, found)];
    } catch {
      const fix = `kill ${run.pid}, then ./offing up`;
      return [lacking(program, "limited", { found: `${found}, but does not answer`, fix, needed: false })];
    }
  },
};

export const port: Probe = {
  name: "port",
  means: "where clients and browsers reach Offing",
  needed: true,
  withinMs: 5000,
  async run({ config }) {
    const { host } = config;
    const at = `port ${config.port} on ${host}`;
    try {
      const taken = await listen({ matches: () => false, gateway() {}, rest() {} }, config);
      await new Promise((done) => taken.server.close(done));
      return [fine(port, `${at} is free`)];
    } catch (error) {
      const run = runFile(config.dataDir);
      const holder = holderOf(config.port);
      if (holder !== undefined && run?.pid === holder && isAlive(run.pid, run.start))
        return [fine(port, `${at} is held by the program that runs`)];
      const who = holder === undefined ? "" : `, by process ${holder} (${nameOf(holder)})`;
      const found = `${(error as Error).message.split(";")[0]}${who}`;
      return [
        lacking(port, "missing", { found, fix: "./offing up --port N, or set OFFING_PORT", needed: true }),
      ];
    }
  },
};

function runFile(dataDir: string): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, "up.json"), "utf8")) as RunFile;
  } catch {
    return undefined;
  }
}

/** The process that listens on a TCP port, as far as we may see: proc(5), `/proc/net/tcp` and the descriptors. */
function holderOf(wanted: number): number | undefined {
  const listening = ["tcp", "tcp6"].flatMap((file) => {
    const rows = readText(`/proc/net/${file}`).split("\n").slice(1);
    return rows
      .map((row) => row.trim().split(/\s+/))
      .filter(([, local, , state]) => {
        return state === "0A" && Number.parseInt(local?.split(":")[1] ?? "", 16) === wanted;
      });
  });
  const sockets = new Set(listening.map((fields) => `socket:[${fields[9]}]`));
  for (const entry of sockets.size === 0 ? [] : readdirSync("/proc")) {
    if (/^\d+$/.test(entry) && descriptors(entry).some((target) => sockets.has(target))) return Number(entry);
  }
  return undefined;
}

function descriptors(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return "";
      }
    });
  } catch {
    return [];
  }
}

function nameOf(pid: number): string {
  return readText(`/proc/${pid}/comm`).trim() || "whose name is not ours to see";
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
