import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { canonicalJson } from "../../lib/canonical.ts";
import type { Services } from "../context.ts";

/** Signs checkpoints of the audit chain (Ed25519, RFC 8032). */
export interface AuditSigner {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function auditSigner(keyId: string, pem: string): AuditSigner {
  const privateKey = createPrivateKey(pem);
  return { keyId, privateKey, publicKey: createPublicKey(privateKey) };
}

export function checkpointText(checkpoint: {
  organization: string;
  seq: string;
  hash: string;
  at: string;
}): Buffer {
  return Buffer.from(canonicalJson(checkpoint));
}

/** Signs every chain that grew since its last checkpoint: a tail cut off behind one is then provable. */
export async function checkpointAudit(services: Services, signer: AuditSigner): Promise<void> {
  const heads = await services.db
    .selectFrom("audit_heads as h")
    .select(["h.organization", "h.seq", "h.hash"])
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("audit_checkpoints as c")
            .select("c.seq")
            .whereRef("c.organization", "=", "h.organization")
            .whereRef("c.seq", "=", "h.seq"),
        ),
      ),
    )
    .where("h.seq", ">", "0")
    .execute();
  for (const { organization, seq, hash } of heads) {
    const at = new Date(services.clock.now());
    const text = checkpointText({ organization, seq, hash, at: at.toISOString() });
    const signature = sign(null, text, signer.privateKey).toString("base64");
    await services.db
      .insertInto("audit_checkpoints")
      .values({ organization, seq, hash, key: signer.keyId, signature, at })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}
