import { OffingError } from "../../contract/errors.ts";
import { newId } from "../../lib/ids.ts";
import { inOrganization, notFound, requireRole } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import { write } from "../write.ts";
import { newKeySecret } from "./secret.ts";

/** A new key of the actor, or of a service account of the organization (admins). The key is returned once. What a web session made would outlast it, so it makes none. */
export async function createKey(
  ctx: Context,
  input: { organization: string; label: string; serviceAccount?: string | undefined },
): Promise<{ id: string; key: string }> {
  const organization = inOrganization(ctx, input.organization);
  if (ctx.proof?.kind === "web_session") {
    throw new OffingError("forbidden", "a key is made with a key, not from a signed-in browser", {
      hint: "run: ./offing keys create",
    });
  }
  const principal = await owner(ctx, organization, input.serviceAccount);
  const id = newId("key", ctx.clock.now());
  const { key, hash, prefix } = newKeySecret();
  await write(ctx, organization, async ({ tx, audit, change }) => {
    await tx
      .insertInto("keys")
      .values({
        organization,
        id,
        principal,
        hash,
        prefix,
        label: input.label,
        created_by: actorId(ctx.actor),
      })
      .execute();
    audit("key.create", id, { principal, label: input.label, prefix });
    await change("key", id);
  });
  return { id, key };
}

async function owner(
  ctx: Context,
  organization: string,
  serviceAccount: string | undefined,
): Promise<string> {
  if (serviceAccount === undefined) {
    if (ctx.actor.kind === "system") throw new OffingError("invalid", "a key needs a principal");
    return ctx.actor.id;
  }
  requireRole(ctx, "admin", "A key for a service account");
  const row = await ctx.db
    .selectFrom("service_accounts")
    .select("id")
    .where("organization", "=", organization)
    .where("slug", "=", serviceAccount)
    .executeTakeFirst();
  if (row === undefined) throw notFound("service account", serviceAccount);
  return row.id;
}
