/** What one sandboxed process is given, in words that every layer understands. */
export interface Cell {
  /** Bound from the machine; nothing else of its files but the system's libraries is visible (`bwrap`). */
  readonly mounts: readonly Mount[];
  /** Folders of Python interpreters, bound read-only at their own path. */
  readonly interpreters: readonly string[];
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Kernel uid and gid of its own; null keeps the platform's (an ordinary user has no other). */
  readonly uid: number | null;
  /** Folder of this cell on the machine, for generated files and for /tmp where the layer mounts none. */
  readonly folder: string;
  /** Where the listening socket is made; null for a command. */
  readonly listen: string | null;
  /** `filtered`: a network namespace of its own that a filter is attached to before anything runs. */
  readonly network: "filtered" | "none";
  readonly limits: Limits;
}

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
}

export interface Limits {
  readonly memoryMb: number;
  readonly processes: number;
  /** Cores that may be used at once. */
  readonly cpus: number | null;
  /** Bytes that one file may have; null for no limit but /tmp's size. */
  readonly fileBytes: number | null;
  /** Size of the private /tmp. */
  readonly tmpBytes: number;
}

/** What `confine.py` reads: its docstring gives the meaning. */
export interface Confinement {
  readonly uid: number | null;
  readonly dieWith: number | null;
  readonly rlimits: Readonly<Record<string, number>>;
  readonly landlock: {
    readonly read: readonly string[];
    readonly write: readonly string[];
    readonly tcp: boolean;
  } | null;
  readonly seccomp: string | null;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** `argv` becomes `confine.py`, inside or outside of namespaces, and reads `confinement`. */
export interface Plan {
  readonly argv: readonly string[];
  readonly confinement: Confinement;
}

export function rlimits(limits: Limits, dataLimit: boolean): Record<string, number> {
  return {
    CORE: 0,
    NOFILE: 4096,
    NPROC: limits.processes,
    ...(limits.fileBytes === null ? {} : { FSIZE: limits.fileBytes }),
    ...(dataLimit ? { DATA: limits.memoryMb * 1024 * 1024 } : {}),
  };
}
