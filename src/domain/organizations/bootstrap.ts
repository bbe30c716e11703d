import { readFile, rename, writeFile } from "node:fs/promises";
import { newId } from "../../lib/ids.ts";
import { hashKey, newKeySecret } from "../keys/secret.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";

export interface Owner {
  /** Whether the organization was made just now. */
  readonly first: boolean;
  readonly organization: string;
}

/**
 * Makes organization `default`, its owner and the owner's key, unless they are
 * there; the key goes to `ownerKeyFile` (mode 0600) before it counts, so that
 * a kill in between leaves either both or a key that was never stored. Such a
 * file, or a lost one, is written anew with a new key: who may write there owns
 * the data.
 */
export async function bootstrap(ctx: Context, ownerKeyFile: string): Promise<Owner> {
  try {
    return await attempt(ctx, ownerKeyFile);
  } catch (error) {
    // Another program on this database made the organization a moment before (SQLSTATE unique_violation).
    if ((error as { code?: unknown }).code !== "23505") throw error;
    return attempt(ctx, ownerKeyFile);
  }
}

async function attempt(ctx: Context, ownerKeyFile: string): Promise<Owner> {
  const found = await ctx.db
    .selectFrom("organizations as o")
    .innerJoin("memberships as m", "m.organization", "o.id")
    .select(["o.id", "m.user"])
    .where("o.slug", "=", "default")
    .where("m.role", "=", "owner")
    .orderBy("m.created_at")
    .executeTakeFirst();
  if (found !== undefined && (await isStored(ctx, ownerKeyFile)))
    return { first: false, organization: found.id };

  const organization = found?.id ?? newId("org");
  const user = found?.user ?? newId("usr");
  const { key, hash, prefix } = newKeySecret();
  const half = `${ownerKeyFile}.new`;
  await writeFile(half, `${key}\n`, { mode: 0o600 });
  await rename(half, ownerKeyFile);
  await write(ctx, organization, async ({ tx, audit, change }) => {
    if (found === undefined) {
      await tx
        .insertInto("organizations")
        .values({ id: organization, slug: "default", name: "Default" })
        .execute();
      await tx.insertInto("users").values({ id: user, email: "owner@localhost", name: "Owner" }).execute();
      await tx.insertInto("memberships").values({ organization, user, role: "owner" }).execute();
      audit("organization.create", organization, { slug: "default", owner: user });
    }
    const id = newId("key");
    await tx
      .insertInto("keys")
      .values({
        organization,
        id,
        principal: user,
        hash,
        prefix,
        label: "owner.key",
        created_by: "system:bootstrap",
      })
      .execute();
    audit("key.create", id, { principal: user, label: "owner.key", prefix });
    await change("organization", organization);
  });
  return { first: found === undefined, organization };
}

/** Revoked keys count as stored: revoking the owner's key is a decision. */
async function isStored(ctx: Context, ownerKeyFile: string): Promise<boolean> {
  const key = await readFile(ownerKeyFile, "utf8").catch(() => undefined);
  if (key === undefined) return false;
  const row = await ctx.db
    .selectFrom("keys")
    .select("id")
    .where("hash", "=", hashKey(key.trim()))
    .executeTakeFirst();
  return row !== undefined;
}
