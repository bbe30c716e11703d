import { printable } from "../lib/printable.ts";

/** The steps of a build, in order. */
export const steps = ["source", "plan", "install", "package", "inspect", "select"] as const;
export type Step = (typeof steps)[number];

export type Source =
  /** Opened by us, over https or ssh, through the guard. `ref` is a branch, a tag or a commit; none is the default branch. */
  | { readonly kind: "git"; readonly url: string; readonly ref: string | null }
  /** A Git bundle that a client uploaded; `commit` is in it. */
  | { readonly kind: "bundle"; readonly path: string; readonly commit: string; readonly ref: string | null };

export interface BuildRequest {
  readonly organization: string;
  readonly server: string;
  readonly build: string;
  readonly source: Source;
  /** `path.py` or `path.py:name`; none is `main.py`, then what detection finds. */
  readonly entrypoint: string | null;
  /** The file that says what the code needs, relative to the checkout; none is found by the order of the plan. */
  readonly dependencyFile: string | null;
  readonly signal: AbortSignal;
}

/** What a build tells while it runs. `at` is milliseconds since 1970. */
export type BuildEvent =
  | { readonly type: "started"; readonly step: Step; readonly at: number }
  | {
      readonly type: "line";
      readonly step: Step;
      readonly at: number;
      readonly stream: "info" | "out" | "err";
      readonly text: string;
    }
  | {
      readonly type: "finished";
      readonly step: Step;
      readonly at: number;
      readonly durationMs: number;
      readonly reused: boolean;
    }
  | {
      readonly type: "resolved";
      readonly commit: string;
      readonly ref: string | null;
      readonly subject: string;
    }
  /** What works, but not as its author will have meant it; a line says it too. */
  | { readonly type: "warning"; readonly text: string };

/** The immutable output of a successful build, addressed by the hash of its content. */
export interface Artifact {
  /** SHA-256, hex, over the code tree, the environment's key, the interpreter and the entrypoint. */
  readonly digest: string;
  readonly commit: string;
  readonly entrypoint: string;
  readonly object: string | null;
  /** The console script `module:function` that the project starts by, or null. */
  readonly program: string | null;
  /** What the code finds in `sys.argv[1:]`. */
  readonly argv: readonly string[];
  readonly pythonPath: readonly string[];
  /** The key of the Python environment: its lock, interpreter and platform. */
  readonly environment: string;
  readonly python: string;
  /** Installed distributions, `name==version`, sorted. */
  readonly packages: readonly string[];
  readonly sizeBytes: number;
}

/** A build that ended in a failure its author can act on. */
export class BuildError extends Error {
  override readonly name = "BuildError";
  readonly step: Step;
  /** Stable, for programs: `source_not_found`, `entrypoint_missing`, … */
  readonly code: string;
  /** The part of the traceback that matters, or null. */
  readonly traceback: string | null;
  /** What to change, in a sentence. */
  readonly hint: string | null;
  /** Environment variables that the code needs and does not have. */
  readonly missing: readonly string[];

  constructor(
    step: Step,
    code: string,
    message: string,
    detail: {
      traceback?: string | null;
      hint?: string | null;
      missing?: readonly string[];
      cause?: unknown;
    } = {},
  ) {
    // Names of files and words of programs are in these; none of them may command a terminal.
    super(printable(message, true), { cause: detail.cause });
    this.step = step;
    this.code = code;
    this.traceback = detail.traceback == null ? null : printable(detail.traceback, true);
    this.hint = detail.hint == null ? null : printable(detail.hint, true);
    this.missing = detail.missing ?? [];
  }
}
