import { createHash } from "node:crypto";
import { canonicalJson } from "../../lib/canonical.ts";
import type { Tx } from "../../store/database.ts";
import { storableJson } from "../../store/storable.ts";
import { actorId, type Context } from "../context.ts";

export interface AuditRow {
  readonly organization: string;
  readonly seq: string;
  readonly at: string;
  readonly actor: object;
  readonly action: string;
  readonly subject: string;
  readonly detail: object;
}

/** What the first row of a chain points at. */
export function genesis(organization: string): string {
  return sha256(`offing audit chain of ${organization}`);
}

/** Each row's hash covers the row before it, so a row cannot be changed, dropped or moved unseen. */
export function hashRow(previous: string, row: AuditRow): string {
  return sha256(`${previous}\n${canonicalJson(row)}`);
}

export interface AuditEntry {
  readonly organization: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: Record<string, unknown>;
}

export async function appendAudit(tx: Tx, ctx: Context, entry: AuditEntry): Promise<void> {
  const { organization, action, subject } = entry;
  // Hashed as it will be read back.
  const detail = JSON.parse(storableJson(entry.detail)) as object;
  await tx
    .insertInto("audit_heads")
    .values({ organization, seq: 0, hash: genesis(organization) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const head = await tx
    .selectFrom("audit_heads")
    .selectAll()
    .where("organization", "=", organization)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const seq = String(BigInt(head.seq) + 1n);
  const at = new Date(ctx.clock.now());
  const actor = { kind: ctx.actor.kind, id: actorId(ctx.actor) };
  const hash = hashRow(head.hash, {
    organization,
    seq,
    at: at.toISOString(),
    actor,
    action,
    subject,
    detail,
  });
  await tx
    .insertInto("audit")
    .values({
      organization,
      seq,
      at,
      actor: JSON.stringify(actor),
      action,
      subject,
      detail: JSON.stringify(detail),
      previous: head.hash,
      hash,
    })
    .execute();
  await tx.updateTable("audit_heads").set({ seq, hash }).where("organization", "=", organization).execute();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
