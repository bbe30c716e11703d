import { verify } from "node:crypto";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { inOrganization, requireRole } from "../authorize.ts";
import type { Context } from "../context.ts";
import { genesis, hashRow } from "./append.ts";
import { type AuditSigner, checkpointText } from "./checkpoint.ts";

const BATCH = 5000;

/** Walks the chain from its first row and holds it against its head and its signed checkpoints. */
export async function verifyAudit(
  ctx: Context,
  signer: AuditSigner,
  input: { organization: string },
): Promise<Output<Routes["verifyAudit"]>> {
  const organization = inOrganization(ctx, input.organization);
  requireRole(ctx, "admin", "Verifying the audit chain");
  const checkpoints = await ctx.db
    .selectFrom("audit_checkpoints")
    .selectAll()
    .where("organization", "=", organization)
    .orderBy("seq")
    .execute();
  const unmet = new Map(checkpoints.map((checkpoint) => [checkpoint.seq, checkpoint]));
  let previous = genesis(organization);
  let rows = 0;

  const report = (problem: string | null) => ({
    organization,
    rows,
    checkpoints: checkpoints.length,
    intact: problem === null,
    problem,
  });

  for (let after = "0"; ;) {
    const batch = await ctx.db
      .selectFrom("audit")
      .selectAll()
      .where("organization", "=", organization)
      .where("seq", ">", after)
      .orderBy("seq")
      .limit(BATCH)
      .execute();
    for (const row of batch) {
      const seq = String(rows + 1);
      if (row.seq !== seq) return report(`row ${seq} is missing: row ${row.seq} stands in its place`);
      const { at, actor, action, subject, detail } = row;
      const hash = hashRow(previous, {
        organization,
        seq,
        at: at.toISOString(),
        actor,
        action,
        subject,
        detail,
      });
      if (row.previous !== previous || row.hash !== hash)
        return report(`row ${seq} is not the one that was written`);
      previous = hash;
      rows += 1;
      const checkpoint = unmet.get(seq);
      if (checkpoint !== undefined) {
        const text = checkpointText({ organization, seq, hash, at: checkpoint.at.toISOString() });
        if (!verify(null, text, signer.publicKey, Buffer.from(checkpoint.signature, "base64"))) {
          return report(`the checkpoint at row ${seq} does not carry this chain's signature`);
        }
        unmet.delete(seq);
      }
    }
    if (batch.length < BATCH) break;
    after = batch.at(-1)!.seq;
  }
  const cut = [...unmet.keys()][0];
  if (cut !== undefined) return report(`the chain ends at row ${rows}, before its checkpoint at row ${cut}`);
  const head = await ctx.db
    .selectFrom("audit_heads")
    .selectAll()
    .where("organization", "=", organization)
    .executeTakeFirst();
  if (head !== undefined && (head.seq !== String(rows) || head.hash !== previous)) {
    return report(`the chain ends at row ${rows}, but its head names row ${head.seq}`);
  }
  return report(null);
}
