import type { Tx } from "../store/database.ts";
import type { ChangeKind } from "../store/tables.ts";
import { appendAudit } from "./audit/append.ts";
import type { Context } from "./context.ts";

/** What a verb does within its transaction. */
export interface Write {
  readonly tx: Tx;
  /** One audit row: `action` is `noun.verb`, `detail` holds no secret. */
  audit(action: string, subject: string, detail?: Record<string, unknown>): Promise<void>;
  /** One change-log row: which shard of the snapshot is to be compiled anew. */
  change(kind: ChangeKind, subject: string): Promise<void>;
}

/**
 * One transaction of one verb: state, audit row, change-log row. Returns once
 * this replica decides by it, so that a caller reads its own writes.
 */
export async function write<T>(
  ctx: Context,
  organization: string,
  work: (write: Write) => Promise<T>,
): Promise<T> {
  let changed: bigint | undefined;
  const result = await ctx.db.transaction().execute(async (tx) =>
    work({
      tx,
      audit: (action, subject, detail = {}) =>
        appendAudit(tx, ctx, { organization, action, subject, detail }),
      async change(kind, subject) {
        await ctx.changes.append(tx, { organization, kind, subject });
        changed ??= await ctx.changes.transactionId(tx);
      },
    }),
  );
  if (changed !== undefined) await ctx.changes.applied(changed);
  return result;
}
