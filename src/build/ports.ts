import type { Manifest } from "../mcp/manifest.ts";
import type { Artifact, BuildRequest } from "./build.ts";

/** A build whose source is known to the commit. */
export interface InspectRequest extends BuildRequest {
  readonly commit: string;
  /** `refs/heads/…`, `refs/tags/…`, or another such as `refs/pull/7/head`; null for a commit that no name was asked for. */
  readonly ref: string | null;
}

export interface Inspected {
  readonly manifest: Manifest;
  /** What was started, in a sentence; null where that is not known. */
  readonly description: string | null;
  /** Lists that could not be read, in sentences. */
  readonly problems: readonly string[];
}

/** A door: starts a packaged artifact as any instance and discovers it. */
export interface Inspector {
  inspect(artifact: Artifact, request: InspectRequest): Promise<Inspected>;
}

export interface Mount {
  /** Absolute, on the machine. */
  readonly source: string;
  /** Absolute, inside; a top-level folder. */
  readonly target: string;
  readonly writable: boolean;
}

export interface SandboxCommand {
  readonly argv: readonly string[];
  /** Inside. */
  readonly cwd: string;
  /** The whole environment of the command; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /**
   * `proxy`: no network but an HTTP(S) proxy; the sandbox sets HTTP_PROXY and
   * HTTPS_PROXY inside so that it is used. `proxySocket` is the unix socket of
   * that proxy on the machine.
   */
  readonly network: { readonly kind: "none" } | { readonly kind: "proxy"; readonly proxySocket: string };
  readonly limits: {
    readonly memoryMb: number;
    readonly processes: number;
    /** Bytes that one file may have (RLIMIT_FSIZE). */
    readonly fileBytes: number;
  };
  readonly signal: AbortSignal;
  onLine(stream: "out" | "err", text: string): void;
}

/** A door: runs one command with nothing but what is named, to its end. */
export interface Sandbox {
  /** Resolves with the exit code; a signal or a limit is told in `reason`. Rejects only when no sandbox can be made. */
  run(command: SandboxCommand): Promise<{ readonly code: number; readonly reason: string | null }>;
}
