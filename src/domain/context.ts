import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Principal } from "../policy/decide.ts";
import type { SnapshotState } from "../snapshot/state.ts";
import type { Changes } from "../store/changes.ts";
import type { Db, Tx } from "../store/database.ts";
import type { Jobs } from "../store/jobs.ts";
import type { Notices } from "../store/notices.ts";
import type { Blobs } from "../store/blobs.ts";
import type { Externals } from "../upstream/externals.ts";

/** What verbs stand on; the same for everyone. */
export interface Services {
  readonly db: Db;
  readonly changes: Changes;
  readonly notices: Notices;
  readonly jobs: Jobs;
  readonly blobs: Blobs;
  readonly snapshot: SnapshotState;
  /** Dials the servers that run elsewhere, through the guard. */
  readonly externals: Externals;
  readonly clock: Clock;
  readonly log: Log;
  /** Seals what is kept of secrets. `context` says of what; `open` gives undefined for what was sealed for another. */
  readonly secrets: {
    seal(context: string, plain: Uint8Array): Buffer;
    open(context: string, sealed: Uint8Array): Buffer | undefined;
    /** Keys of 32 bytes for a use that is another program's own, the newest first; each tells nothing of any other. */
    derive(context: string): readonly Buffer[];
  };
  /** The program's URL, without a trailing slash. */
  readonly publicUrl: () => string;
}

/** Who acts: a principal that proved itself, or the program on its own account. */
export type Actor =
  | (Exclude<Principal, { kind: "anonymous" }> & { readonly organizationSlug: string })
  | { readonly kind: "system"; readonly job: string };

/** By what an actor proved itself to the control API: a key, or a web session that a link of that key opened. */
export interface Proof {
  readonly kind: "key" | "web_session";
  /** The key's id. */
  readonly key: string;
}

/** What every verb takes first. */
export interface Context extends Services {
  readonly actor: Actor;
  readonly proof?: Proof;
  /** Proves the actor anew, for what lasts; throws when it no longer may act. */
  readonly renew?: () => Promise<Context>;
  /** The idempotency key under which the verb runs; settled in the verb's own transaction. */
  readonly claim?: { settle(tx: Tx): Promise<void> };
}

/** The context of now: what an actor may can change while a stream stands. */
export async function renewed(ctx: Context): Promise<Context> {
  return ctx.renew === undefined ? ctx : ctx.renew();
}

/** The actor as records and the audit trail name it. */
export function actorId(actor: Actor): string {
  return actor.kind === "system" ? `system:${actor.job}` : actor.id;
}
