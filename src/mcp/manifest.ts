import type { Era } from "./eras.ts";

export type CapabilityKind = "tool" | "prompt" | "resource" | "resource_template";

/** One capability as its server described it, verbatim. */
export interface Capability {
  readonly kind: CapabilityKind;
  /** A tool's or prompt's name, a resource's URI, a template's URI template. */
  readonly name: string;
  /** SHA-256, in hex, of the canonical JSON of `definition`. */
  readonly hash: string;
  readonly definition: Readonly<Record<string, unknown>>;
  /** The only era in which it works, of a server that speaks both; absent where either does, or where it is not known. */
  readonly era?: Era;
  /** The eras in which it refused to be called, as it needs the other one. Known of what serves, and no part of what was discovered. */
  readonly refused?: readonly Era[];
}

/** What a server said of itself when it was discovered. */
export interface Manifest {
  readonly serverInfo: { readonly name: string; readonly version: string; readonly [key: string]: unknown };
  readonly instructions?: string | undefined;
  /** The server's own capability object, as of the newest era it speaks. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** The eras in which the server answers. */
  readonly eras: readonly Era[];
  /** How it is spoken to, where that is not Streamable HTTP: HTTP+SSE (2024-11-05, basic/transports). */
  readonly transport?: "sse";
  readonly items: readonly Capability[];
}
