import type { PoolConfig } from "pg";
import type { Config } from "../../config.ts";
import type { KeyringFile } from "../../store/keyring.ts";

/** What a worker is started with; secrets are in it, so it goes through its own channel only. */
export interface Order {
  readonly config: Config;
  readonly port: number;
  readonly publicUrl: string;
  /** The database; null: the embedded one. */
  readonly connection: PoolConfig | null;
  readonly sealing: KeyringFile["sealing"];
  /** Its own name among the gateway processes. */
  readonly name: string;
  /** Its internal listener's file in the run folder. */
  readonly file: string;
  /** The others: name and file. */
  readonly peers: readonly (readonly [string, string])[];
}

/** Program → worker. */
export type ToWorker =
  | { readonly type: "start"; readonly order: Order }
  /** It is counted among the gateway processes: it may serve. */
  | { readonly type: "listen" }
  /** Another process came, or went (null). */
  | { readonly type: "peer"; readonly name: string; readonly file: string | null }
  | (Stands & { readonly holder: string })
  | Apply
  | Applied
  | Beat
  | { readonly type: "stop" };

/**
 * Asks to be told once a transaction is applied: by this worker, or, asked of
 * the program, by all the others. Null: all that is committed now.
 */
export interface Apply {
  readonly type: "apply";
  readonly id: number;
  readonly xid: string | null;
}

export interface Applied {
  readonly type: "applied";
  readonly id: number;
}

/** Standing streams that sessions have at a worker now: for all the others. */
export interface Stands {
  readonly type: "stands";
  /** Session, and since when; nanoseconds of the machine's monotonic clock. */
  readonly streams: readonly (readonly [string, number])[];
}

/** Asks whether the worker's loop runs; its answer is the same. */
export interface Beat {
  readonly type: "beat";
}

/** Worker → program. */
export type FromWorker =
  /** It follows the change log and could serve. */
  | { readonly type: "standing" }
  | { readonly type: "serving" }
  | Stands
  | Apply
  | Applied
  | Beat
  /** It cannot serve, for this reason, and is about to end. */
  | { readonly type: "failed"; readonly message: string };
