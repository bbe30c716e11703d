import type { Guard } from "../upstream/guard.ts";
import type { Disk } from "./disk.ts";
import type { Inspector, Sandbox } from "./ports.ts";

/** What a build needs of the machine it runs on. */
export interface BuildServices {
  /** Absolute; holds `builds/`, `artifacts/`, `environments/`, `organizations/`. */
  readonly dataDir: string;
  /** Absolute, outside `dataDir`; holds `uv/` (written by trusted uv only) and `tools/`. */
  readonly cacheDir: string;
  readonly guard: Guard;
  readonly sandbox: Sandbox;
  readonly inspector: Inspector;
  /** The program's own environment: PATH, certificates, pip's settings. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limits?: Partial<BuildLimits>;
  /** Waits before an index is asked again; rejects when aborted. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface BuildLimits {
  /** The whole build, in milliseconds. */
  readonly timeMs: number;
  /** The work folder and the new environment together. */
  readonly diskBytes: number;
  /** What a fetch of the source may transfer. */
  readonly sourceBytes: number;
  readonly logLines: number;
  readonly logBytes: number;
  readonly memoryMb: number;
  readonly processes: number;
}

export const defaultLimits: BuildLimits = {
  timeMs: 15 * 60_000,
  diskBytes: 2 * 1024 ** 3,
  sourceBytes: 1024 ** 3,
  logLines: 10_000,
  logBytes: 4 * 1024 ** 2,
  memoryMb: 2048,
  processes: 256,
};

/** Takes one line of the step that runs. */
export type Say = (text: string, stream?: "info" | "out" | "err") => void;

/** What each step is handed. */
export interface StepContext {
  readonly organization: string;
  readonly services: BuildServices;
  readonly limits: BuildLimits;
  /** This build's own folder; removed before and after. */
  readonly work: string;
  /** Aborted by the caller, by the time limit and by the disk limit; its reason says which. */
  readonly signal: AbortSignal;
  readonly say: Say;
  /** Says what works, but not as its author will have meant it. */
  readonly warn: (text: string) => void;
  readonly disk: Disk;
}
