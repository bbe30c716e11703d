import { notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { loadServer } from "../servers/load.ts";
import { write } from "../write.ts";

/** Takes a principal's role on a server away; effective at once. */
export async function removeGrant(
  ctx: Context,
  input: { organization: string; server: string; principal: string },
): Promise<Record<string, never>> {
  const server = await loadServer(ctx, input, "administer");
  const { organization } = server;
  await write(ctx, organization, async ({ tx, audit, change }) => {
    const gone = await tx
      .deleteFrom("grants")
      .where("organization", "=", organization)
      .where("server", "=", server.id)
      .where("principal", "=", input.principal)
      .returning("role")
      .executeTakeFirst();
    if (gone === undefined) throw notFound("grant of", input.principal);
    audit("grant.remove", server.id, { principal: input.principal, role: gone.role });
    await change("principal", input.principal);
  });
  return {};
}
