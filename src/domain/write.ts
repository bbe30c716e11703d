import type { Tx } from "../store/database.ts";
import type { ChangeKind } from "../store/tables.ts";
import { appendAudit, type AuditEntry } from "./audit/append.ts";
import type { Context } from "./context.ts";

/** What a verb does within its transaction. */
export interface Write {
  readonly tx: Tx;
  /** One audit row: `action` is `noun.verb`, `detail` holds no secret. */
  audit(action: string, subject: string, detail?: Record<string, unknown>): void;
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
  const result = await ctx.db.transaction().execute(async (tx) => {
    const entries: AuditEntry[] = [];
    const done = await work({
      tx,
      audit: (action, subject, detail = {}) => void entries.push({ organization, action, subject, detail }),
      async change(kind, subject) {
        await ctx.changes.append(tx, { organization, kind, subject });
        changed ??= await ctx.changes.transactionId(tx);
      },
    });
    // Last, so that the chain's head is locked for a moment only, and after every other lock.
    for (const entry of entries) await appendAudit(tx, ctx, entry);
    await ctx.claim?.settle(tx);
    return done;
  });
  if (changed !== undefined) await ctx.changes.applied(changed);
  return result;
}
