import { closeSync, openSync, readFileSync } from "node:fs";
import { openRunFolder } from "../../runner/run-folder.ts";
import { findProgram, probeMachine } from "../../runner/layers/probe.ts";
import type { Isolation } from "../../runner/runner.ts";
import { bwrapHere } from "../bwrap.ts";
import { type Check, fine, lacking, type Machine, type Probe } from "./check.ts";

/** Four tries of ten seconds each is the most that the runner's own probe takes. */
export const isolation: Probe = {
  name: "isolation",
  means: "keeps hosted code away from this machine and from its neighbours",
  needed: true,
  withinMs: 45_000,
  async run(machine) {
    const { config } = machine;
    const bwrap = await bwrapHere({ cacheDir: config.cacheDir, env: machine.env });
    const folder = await openRunFolder(undefined);
    try {
      const found = await probeMachine(folder, {
        python: config.python,
        bwrap,
        wanted: config.isolation ?? null,
        egressAllow: [],
      });
      const { layer } = found.isolation;
      return [
        layerCheck(machine, found.isolation, bwrap),
        memory(found.isolation),
        egress(machine, found.isolation, layer),
      ];
    } catch (error) {
      return await nothingHolds(machine, bwrap, error as Error);
    } finally {
      await folder.close();
    }
  },
};

const memoryLine = { name: "memory limit", means: "one hosted server must not take the whole machine" };
const egressLine = {
  name: "egress",
  means: "how hosted code reaches databases and services, and what it must not reach",
};

function layerCheck(machine: Machine, { layer, notes }: Isolation, bwrap: string | null): Check {
  const words = notes.filter((note) => !aboutMemory(note) && !aboutEgress(note)).join(" ");
  if (layer === "bwrap") return fine(isolation, words);
  if (layer === "none" || machine.config.isolation === "landlock")
    return lacking(isolation, "limited", { found: words, fix: "unset OFFING_ISOLATION", needed: false });
  const fix = bwrap === null ? machine.packages.install("bubblewrap") : mend(machine);
  return lacking(isolation, "limited", { found: words, fix, needed: false });
}

/** What is said where no layer holds now. */
async function nothingHolds(machine: Machine, bwrap: string | null, error: Error): Promise<Check[]> {
  const install = machine.packages.install("bubblewrap");
  if (bwrap === null && (await machine.indexProblem()) === null) {
    const found = "not known before bubblewrap is here; ./offing up fetches it once, and tries it";
    return [isolation, memoryLine, egressLine].map((probe) =>
      lacking(probe, "limited", { found, fix: install, needed: false }),
    );
  }
  const fix = bwrap === null ? install : mend(machine);
  return [lacking(isolation, "missing", { found: error.message, fix, needed: true })];
}

const aboutMemory = (note: string) => /control group/i.test(note) && !/WARNING/.test(note);
const aboutEgress = (note: string) => /^Instances (?:have no network|reach)/.test(note);

function memory({ memory: by, notes }: Isolation): Check {
  const found = notes.filter(aboutMemory).join(" ");
  if (by === "cgroup") return fine(memoryLine, found);
  return lacking(memoryLine, "limited", {
    found,
    fix: "start it where control groups may be made: as root, or with systemd-run --user --scope -p Delegate=yes ./offing up",
    needed: false,
  });
}

function egress(machine: Machine, { egress: how, notes }: Isolation, layer: Isolation["layer"]): Check {
  const found = `${how}: ${notes.find(aboutEgress) ?? `instances of the layer "${layer}" get no way of their own`}`;
  if (how === "filtered") return fine(egressLine, found);
  return lacking(egressLine, how === "proxy" ? "limited" : "missing", {
    found,
    fix: openEgress(machine, layer),
    needed: false,
  });
}

function openEgress({ packages }: Machine, layer: Isolation["layer"]): string | null {
  if (layer !== "bwrap") return packages.install("bubblewrap");
  if (findProgram("slirp4netns") === null) return packages.install("slirp4netns");
  const problem = openProblem("/dev/net/tun");
  if (problem === "EACCES" || problem === "EPERM") return "as root: chmod 666 /dev/net/tun";
  if (problem !== null)
    return "as root: modprobe tun; mkdir -p /dev/net; mknod -m 666 /dev/net/tun c 10 200 (a container is started with --device /dev/net/tun)";
  return null;
}

/** Why a device cannot be opened, as the system's error code; null when it can. */
function openProblem(device: string): string | null {
  try {
    closeSync(openSync(device, "r+"));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}

/** Why namespaces fail where bubblewrap is there: the switches that systems set, looked at after the trial failed. */
function mend(machine: Machine): string {
  if (process.getuid?.() === 0)
    return "run it where root may make namespaces: a container needs --security-opt seccomp=unconfined --cap-add SYS_ADMIN";
  const off = switches.find(({ file, value }) => read(file) === value);
  return (
    off?.command ??
    `start ./offing up as root, or without bubblewrap: ${machine.packages.system} may forbid user namespaces`
  );
}

const switches = [
  {
    file: "/proc/sys/kernel/unprivileged_userns_clone",
    value: "0",
    command: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
  },
  {
    file: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    value: "1",
    command: "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  },
  {
    file: "/proc/sys/user/max_user_namespaces",
    value: "0",
    command: "sudo sysctl -w user.max_user_namespaces=15000",
  },
];

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}
