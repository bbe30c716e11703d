import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { ServerRole } from "../../policy/permissions.ts";
import type { Context } from "../context.ts";
import { loadServer } from "../servers/load.ts";
import { write } from "../write.ts";
import { findPrincipal } from "./find-principal.ts";

/** Gives a principal a role on a server, in place of the one it had. */
export async function setGrant(
  ctx: Context,
  input: { organization: string; server: string; principal: string; role: ServerRole },
): Promise<Output<Routes["setGrant"]>> {
  const server = await loadServer(ctx, input, "administer");
  const { organization } = server;
  const principal = await findPrincipal(ctx, organization, input.principal);
  const { role } = input;
  await write(ctx, organization, async ({ tx, audit, change }) => {
    await tx
      .insertInto("grants")
      .values({ organization, server: server.id, principal: principal.id, role })
      .onConflict((conflict) =>
        conflict.columns(["organization", "server", "principal"]).doUpdateSet({ role }),
      )
      .execute();
    audit("grant.set", server.id, { principal: principal.id, role });
    await change("principal", principal.id);
  });
  return { principal, role };
}
