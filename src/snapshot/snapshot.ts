import type { Era } from "../mcp/eras.ts";
import type { Manifest } from "../mcp/manifest.ts";
import type { Principal } from "../policy/decide.ts";
import type { Holder } from "./kept-sessions.ts";
import type { SessionState } from "./session.ts";

/** One artifact with one set of variables: what an instance runs. */
export interface Target {
  readonly organization: string;
  readonly server: string;
  readonly artifact: string;
  readonly scope: "production" | "preview";
  /** The immutable set of variables that the deployment selected; null: none. */
  readonly variables: string | null;
}

/** Where the gateway forwards: instances of a hosted deployment, or the URL of a server that runs elsewhere. */
export type Upstream =
  | { readonly kind: "hosted"; readonly target: Target }
  | {
      readonly kind: "external";
      readonly organization: string;
      readonly server: string;
      /** Absolute http(s) URL of its MCP endpoint. */
      readonly url: string;
      /** As its manifest says; absent: Streamable HTTP. */
      readonly transport?: Manifest["transport"];
    };

/** One endpoint: a deployment of a server, and everything the gateway needs to serve it. */
export interface Endpoint {
  /** Unique over all organizations; sessions are bound to it. */
  readonly id: string;
  readonly organization: { readonly id: string; readonly slug: string };
  readonly server: { readonly id: string; readonly slug: string; readonly kind: "hosted" | "external" };
  readonly deployment: string;
  readonly upstream: Upstream;
  readonly manifest: Manifest;
  /** The eras in which the upstream answers, without those that its owner ruled out. */
  readonly eras: readonly Era[];
  /** Whether stateless clients have sessions here, one for each principal and client. */
  readonly virtualSessions: boolean;
  /** Milliseconds from request to last byte, waking included, standing streams excluded. */
  readonly requestWindowMs: number;
}

/** How an endpoint is asked for, by slugs: `acme/weather@live`. `deployment` is "live" or a preview's slug. */
export function addressOf(organization: string, server: string, deployment: string): string {
  return `${organization}/${server}@${deployment}`;
}

/** A key as the gateway knows it; the secret itself is nowhere. */
export interface KeyEntry {
  readonly id: string;
  readonly organization: string;
  readonly principal: string;
}

/** What one applied change replaced; told after it is in force. */
export type SnapshotChange =
  | {
      readonly kind: "server";
      readonly subject: string;
      readonly before: readonly Endpoint[];
      readonly after: readonly Endpoint[];
    }
  | { readonly kind: "principal" | "key" | "session"; readonly subject: string };

/**
 * What a gateway knows, in memory. Kept in shards, so that one change
 * replaces one shard; every look-up is O(1) and synchronous.
 */
export interface Snapshot {
  /** By its address; see `addressOf`. */
  endpoint(address: string): Endpoint | undefined;
  /** By SHA-256 of the whole key, hex. */
  key(hash: string): KeyEntry | undefined;
  principal(organization: string, id: string): Principal | undefined;
  /** What was published of a session; undefined while nothing was. */
  session(id: string): SessionState | undefined;
  /** How many open handshake sessions of one principal at one server have something published of them: `set`, or only that they go on. */
  keptSessions(holder: Holder, as: "set" | "extended"): number;
  /** Sessions of a principal at a server that began no later, and of which nothing is published, are over; milliseconds since 1970. */
  endedBefore(server: string, principal: string): number;
  /** Tells `listener` of every change from now on, until the function that this answers is called. */
  watch(listener: (change: SnapshotChange) => void): () => void;
}
