import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Isolation } from "../runner.ts";
import { interpreterAt } from "../interpreter.ts";
import { makeTmp, type RunFolder } from "../run-folder.ts";
import type { Cell } from "./cell.ts";
import { openCgroups } from "./cgroup.ts";
import { launch, type Machine } from "./launch.ts";
import { seccompProgram } from "./seccomp.ts";

const PROBE_MS = 10_000;
const LIMITS = { memoryMb: 256, processes: 64, cpus: null, fileBytes: null, tmpBytes: 16 * 1024 * 1024 };

export interface ProbeOptions {
  readonly python: string;
  readonly bwrap: string | null;
  /** Only this one is tried. */
  readonly wanted: Isolation["layer"] | null;
  readonly egressAllow: readonly string[];
}

/** An executable on PATH, or in the folders where system tools lie; null for none. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
  for (const folder of folders) {
    if (!folder.startsWith("/")) continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      continue;
    }
  }
  return null;
}

/** Runs a trivial program in a cell of `machine`; null when it ran, else why not. */
async function tryOut(machine: Machine, folder: RunFolder): Promise<string | null> {
  const claim = folder.claim();
  try {
    const uid = machine.layer === "none" ? null : claim.uid;
    const tmp = machine.layer === "bwrap" ? "/tmp" : makeTmp(claim, uid);
    const program = "import os; open(os.environ['TMPDIR'] + '/trial', 'w').close(); os.write(1, b'fine')";
    const cell: Cell = {
      mounts: [],
      interpreters: [],
      argv: [machine.python.executable, "-I", "-S", "-c", program],
      cwd: "/",
      env: { PATH: "/usr/bin:/bin", TMPDIR: tmp },
      uid,
      folder: claim.folder,
      listen: null,
      network: machine.egress === null ? "none" : "filtered",
      limits: LIMITS,
    };
    const deadline = AbortSignal.timeout(PROBE_MS);
    const mate = await Promise.race([
      launch(machine, cell, String(claim.number)),
      new Promise<never>((_, reject) =>
        deadline.addEventListener("abort", () => reject(new Error("it hung for ten seconds")), {
          once: true,
        }),
      ),
    ]);
    deadline.addEventListener("abort", () => mate.kill(), { once: true });
    let out = "";
    let said = "";
    mate.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    mate.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    mate.stdin.end();
    const exit = await mate.ended;
    if (out === "fine") return null;
    return said.trim() || `the trial ended with ${exit.signal ?? exit.code}`;
  } catch (error) {
    return (error as Error).message;
  } finally {
    claim.release();
  }
}

/**
 * Tries the layers by running each and takes the best that holds. Throws, naming
 * what failed, when none does; `none` is taken only when it is wanted by name.
 */
export async function probeMachine(
  folder: RunFolder,
  options: ProbeOptions,
): Promise<{ readonly machine: Machine; readonly isolation: Isolation }> {
  const notes: string[] = [];
  const root = process.getuid?.() === 0;
  const python = await interpreterAt(options.python);
  const architecture = process.arch;
  const program = (sharesPorts: boolean) =>
    architecture === "x64" || architecture === "arm64"
      ? seccompProgram(architecture, sharesPorts).toString("base64")
      : null;
  const seccomp = program(false);
  const bwrap = options.bwrap ?? findProgram("bwrap");
  const cgroups = await openCgroups(folder.name);
  if (cgroups !== null) folder.remember(cgroups.parents);
  const common = { python, root, seccomp, bwrap };
  const done = (machine: Machine, egress: Isolation["egress"]) => ({
    machine,
    isolation: {
      layer: machine.layer,
      egress,
      memory: machine.cgroups === null ? ("rlimit" as const) : ("cgroup" as const),
      notes: [...notes, memoryNote(machine)],
    },
  });

  if (options.wanted === null || options.wanted === "bwrap") {
    const base: Machine = { ...common, layer: "bwrap", cgroups, egress: null };
    const failure = await tryBwrap(base, folder, notes);
    if (failure.machine !== null) {
      notes.push(
        root
          ? "Instances run in bubblewrap, each under a kernel uid of its own, with namespaces, seccomp and Landlock."
          : "Instances run in bubblewrap with namespaces, seccomp and Landlock, under the platform's own uid.",
      );
      const egress = await tryEgress(failure.machine, folder, options.egressAllow, notes);
      return done({ ...failure.machine, egress }, egress === null ? "none" : "filtered");
    }
    notes.push(`bubblewrap does not work here: ${failure.why}`);
  }
  if ((options.wanted === null || options.wanted === "landlock") && seccomp !== null) {
    const machine: Machine = {
      ...common,
      seccomp: program(true),
      layer: "landlock",
      cgroups,
      egress: null,
    };
    const why = await tryOut(machine, folder);
    if (why === null) {
      notes.push(
        "WARNING: instances share the machine's namespaces (Landlock, seccomp and limits only). Run code of one trusted " +
          "organization here, nothing else. TCP is closed to instances where the kernel is 6.7 or newer; UDP is not.",
      );
      return done(machine, "none");
    }
    notes.push(`Landlock does not work here: ${why}`);
  }
  if (options.wanted === "none") {
    notes.push(
      "WARNING: instances are not isolated at all, as asked for. Whoever deploys here owns this machine's account, " +
        "with its files, processes and ports: code can take connections that are meant for the platform.",
    );
    return done({ ...common, layer: "none", cgroups, egress: null }, "none");
  }
  throw new Error(
    `this machine cannot isolate instances, so none is started. ${notes.join(" ")} ` +
      "Install bubblewrap, or, for code that you trust wholly, ask for isolation `none` by name.",
  );
}

function memoryNote(machine: Machine): string {
  return machine.cgroups === null
    ? "No control group can be made here: memory is bounded by RLIMIT_DATA and a watchdog, CPU is not."
    : `Memory, processes and CPU are bounded by control groups (v${machine.cgroups.version}).`;
}

async function tryBwrap(
  base: Machine,
  folder: RunFolder,
  notes: string[],
): Promise<{ machine: Machine; why: null } | { machine: null; why: string }> {
  if (base.bwrap === null) return { machine: null, why: "it is not installed" };
  if (base.seccomp === null) return { machine: null, why: `no seccomp program for ${process.arch}` };
  const why = await tryOut(base, folder);
  if (why === null) return { machine: base, why: null };
  if (base.cgroups === null) return { machine: null, why };
  const without = { ...base, cgroups: null };
  if ((await tryOut(without, folder)) !== null) return { machine: null, why };
  notes.push(`Control groups are there but do not work: ${why}`);
  return { machine: without, why: null };
}

async function tryEgress(machine: Machine, folder: RunFolder, allow: readonly string[], notes: string[]) {
  const slirp = findProgram("slirp4netns");
  if (slirp === null) {
    notes.push("Instances have no network: slirp4netns is not installed (Debian: apt install slirp4netns).");
    return null;
  }
  const egress = { slirp, allow };
  const why = await tryOut({ ...machine, egress }, folder);
  if (why !== null) {
    notes.push(`Instances have no network: slirp4netns does not work here: ${why}`);
    return null;
  }
  notes.push(
    "Instances reach public IPv4 addresses only; private, link-local, metadata and the machine's own are cut off.",
  );
  return egress;
}
