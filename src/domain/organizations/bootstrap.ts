import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { newId } from "../../lib/ids.ts";
import { newKeySecret } from "../keys/secret.ts";
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
 * a kill in between leaves either both or a key that opens nothing. A lost
 * file is written anew with a new key: who may write there owns the data.
 */
export async function bootstrap(ctx: Context, ownerKeyFile: string): Promise<Owner> {
  const found = await ctx.db
    .selectFrom("organizations as o")
    .innerJoin("memberships as m", "m.organization", "o.id")
    .select(["o.id", "m.user"])
    .where("o.slug", "=", "default")
    .where("m.role", "=", "owner")
    .orderBy("m.created_at")
    .executeTakeFirst();
  if (found !== undefined && existsSync(ownerKeyFile)) return { first: false, organization: found.id };

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
      await audit("organization.create", organization, { slug: "default", owner: user });
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
    await audit("key.create", id, { principal: user, label: "owner.key", prefix });
    await change("organization", organization);
  });
  return { first: found === undefined, organization };
}
