import { dirname, join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { environmentInterpreter, pythonFolder } from "./interpreter.ts";
import type { Limits } from "./layers/cell.ts";
import type { Machine } from "./layers/launch.ts";
import { type Claim, makeTmp, type RunFolder } from "./run-folder.ts";
import type { Lines, LocatedArtifact, Target } from "./runner.ts";
import { hasTaskEngine, VALKEY_PATH, valkeyVariables, type Valkeys } from "./valkey.ts";

export interface InstanceOptions {
  readonly machine: Machine;
  readonly folder: RunFolder;
  readonly lines: Lines;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly startTimeoutMs: number;
  /** Processes of a program behind a bridge, one per session, at most. */
  readonly bridgeProcesses: number;
  /** How long one may be silent after a call was cancelled, before it is ended. */
  readonly bridgeSilentMs: number;
  /** Sessions that one instance keeps at most; the longest unused goes first. */
  readonly sessions: number;
  /** Where servers keep what outlives their instances; null: nowhere. */
  readonly valkeys: Valkeys | null;
}

/** Variables of every instance. What the server's scope sets wins, but for the places that only the sandbox knows. */
function environment(
  located: LocatedArtifact,
  bin: string,
  tmp: string,
  kept: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    LANG: "C.UTF-8",
    FASTMCP_CHECK_FOR_UPDATES: "off",
    FASTMCP_ENABLE_RICH_LOGGING: "false",
    FASTMCP_SHOW_SERVER_BANNER: "false",
    FASTMCP_SHOW_CLI_BANNER: "false",
    PYTHONUNBUFFERED: "1",
    // A native module that crashes leaves the Python stack in its last lines.
    PYTHONFAULTHANDLER: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    ...kept,
    ...located.variables,
    ...located.told,
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
    VIRTUAL_ENV: dirname(bin),
    HOME: join(tmp, "home"),
    TMPDIR: tmp,
  };
}

/** What serve.py is told on its standard input. */
export function orderFor(located: LocatedArtifact, code: string, options: InstanceOptions): object {
  return {
    code,
    entrypoint: located.entrypoint,
    object: located.object,
    pythonPath: located.pythonPath,
    program: located.program ?? null,
    argv: located.argv ?? [],
    stateKeys: located.stateKeys ?? [],
    startMs: options.startTimeoutMs,
    processes: options.bridgeProcesses,
    silentMs: options.bridgeSilentMs,
    sessions: options.sessions,
    memoryMb: options.limits.memoryMb,
  };
}

/** The sandbox of an instance, before anything of it is made. `valkey`: where its own way to Valkey is to be opened. */
export async function cellFor(
  located: LocatedArtifact,
  claim: Claim,
  options: InstanceOptions,
  target: Target,
) {
  const { machine, valkeys } = options;
  const sandboxed = machine.layer === "bwrap";
  const interpreter = await environmentInterpreter(located.environment);
  const uid = machine.layer === "none" ? null : claim.uid;
  const tmp = sandboxed ? "/tmp" : makeTmp(claim, uid);
  const bin = join(sandboxed ? "/env" : located.environment, "bin");
  const program = join(sandboxed ? "/offing" : pythonFolder, "serve.py");
  const keeps = located.keepsState === true || hasTaskEngine(located.environment);
  const valkey = keeps && valkeys !== null && (await valkeys.available()) ? join(claim.folder, "k") : null;
  const kept =
    valkey === null ? {} : valkeyVariables(valkeys!.names(target), sandboxed ? VALKEY_PATH : valkey);
  return {
    /** Where the instance's own socket to Valkey is to be made; null: it keeps nothing. */
    valkey,
    mounts: [
      { source: located.code, target: "/code", writable: false },
      { source: located.environment, target: "/env", writable: false },
      ...(valkey === null ? [] : [{ source: valkey, target: VALKEY_PATH, writable: true }]),
    ],
    interpreters: interpreter.folders,
    argv: [join(bin, "python"), "-u", program],
    cwd: sandboxed ? "/code" : located.code,
    env: environment(located, bin, tmp, kept),
    uid,
    folder: claim.folder,
    listen: join(claim.folder, "s"),
    network: machine.egress === null ? ("none" as const) : ("filtered" as const),
    limits: options.limits,
  };
}
