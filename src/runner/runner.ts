import type { CapabilityEra } from "./channel.ts";
import { printable } from "../lib/printable.ts";

/** One artifact with one set of variables, of one server of one organization. */
export interface Target {
  readonly organization: string;
  readonly server: string;
  readonly artifact: string;
  readonly scope: string;
  /** The immutable set of variables that the deployment selected; null: none. */
  readonly variables: string | null;
}

/** A claim on a running instance; it stays warm while anyone holds one. */
export interface Lease {
  readonly instance: string;
  /** Opaque; `unix:<path>` for a local instance. Nothing else in this interface is a path. */
  readonly address: string;
  /** What serves there and how it was found, in a sentence. */
  readonly description: string;
  /** Its capabilities that need one of the two eras that it speaks. */
  readonly eras: readonly CapabilityEra[];
  /** What does not hold for it here, in sentences. */
  readonly warnings?: readonly string[];
  /** Aborted, with the reason, when the instance is gone. */
  readonly lost: AbortSignal;
  release(): void;
}

/** What runs artifacts. `local` starts sandboxed children. */
export interface Runner {
  /** Finds a warm instance or starts one. Throws a StartError when it cannot. */
  acquire(target: Target): Promise<Lease>;
  /** What this runner isolates with, for people to read. */
  readonly isolation: Isolation;
  /** Ends every instance; resolves when none is left. */
  close(): Promise<void>;
}

export interface Isolation {
  readonly layer: "bwrap" | "landlock" | "none";
  /** How raw TCP leaves an instance: filtered by address, by guarded proxy only, or not at all. */
  readonly egress: "filtered" | "proxy" | "none";
  readonly memory: "cgroup" | "rlimit";
  /** Sentences for the start-up message: what holds, and what this machine cannot isolate and why. */
  readonly notes: readonly string[];
}

/** Where an artifact lies on this machine, and the variables it runs with. A door: the owner of both fills it. */
export interface Artifacts {
  locate(target: Target): Promise<LocatedArtifact>;
}

export interface LocatedArtifact {
  /** Absolute; the frozen checkout. */
  readonly code: string;
  /** Absolute; a Python environment (`bin/python` in it). */
  readonly environment: string;
  /** Relative to `code`. */
  readonly entrypoint: string;
  /** The object or factory in the entrypoint, where it was named. */
  readonly object: string | null;
  /** Folders relative to `code` that go on `sys.path` after the entrypoint's own. */
  readonly pythonPath: readonly string[];
  /** A console script, `package.module:function`: what runs where the entrypoint holds no server object. */
  readonly program?: string | null;
  /** For `sys.argv[1:]`. */
  readonly argv?: readonly string[];
  /** Plain; they reach the instance on its standard input and stay out of every message. */
  readonly variables: Readonly<Record<string, string>>;
  /** What seals the states that clients carry between the rounds of a call: every instance of a server opens them. In hex. */
  readonly stateKeys?: readonly string[];
  /** What the platform tells every instance; no secret. */
  readonly told?: Readonly<Record<string, string>>;
  /** Whether keyed session state is kept for it beyond the instance's life (`valkey.ts`). */
  readonly keepsState?: boolean;
}

/** Takes what instances print. A door. Never blocks. */
export interface Lines {
  write(line: ServerLine): void;
}

export interface ServerLine {
  readonly at: number;
  readonly target: Target;
  readonly instance: string;
  /** `system` is said by the runner about the instance. */
  readonly stream: "stdout" | "stderr" | "system";
  readonly text: string;
  /** The request during which it was printed, where it is known. */
  readonly request: string | null;
}

/** An instance that did not come up. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly reason: "exited" | "timeout" | "load" | "memory" | "isolation" | "capacity";
  /** The Python traceback, trimmed to the author's frames, where there is one. */
  readonly traceback: string | null;
  /** What to do next. */
  readonly hint: string | null;
  /** The last lines that the instance printed. */
  readonly output: readonly string[];
  /** Environment variables that the code needs and does not have. */
  readonly missing: readonly string[];
  /** Stable, for programs: `module_missing`, `variable_missing`, …; null where the reason says all. */
  readonly code: string | null;

  constructor(
    reason: StartError["reason"],
    message: string,
    detail: {
      traceback?: string | null;
      hint?: string | null;
      output?: readonly string[];
      missing?: readonly string[];
      code?: string | null;
    } = {},
  ) {
    // The server chose many of these words; none of them may command a terminal.
    super(printable(message, true));
    this.reason = reason;
    this.traceback = detail.traceback == null ? null : printable(detail.traceback, true);
    this.hint = detail.hint == null ? null : printable(detail.hint, true);
    this.output = detail.output ?? [];
    this.missing = detail.missing ?? [];
    this.code = detail.code ?? null;
  }
}
