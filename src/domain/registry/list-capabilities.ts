import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import { notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { loadServer } from "../servers/load.ts";

/** What a deployment's artifact, or a server that runs elsewhere, exposes, as it was discovered. */
export async function listCapabilities(
  ctx: Context,
  input: { organization: string; server: string; deployment: string },
): Promise<Output<Routes["listCapabilities"]>> {
  const server = await loadServer(ctx, input, "discover");
  const row = await ctx.db
    .selectFrom("deployments as d")
    .innerJoin("manifests as m", (join) =>
      join
        .onRef("m.organization", "=", "d.organization")
        .onRef("m.server", "=", "d.server")
        .onRef("m.artifact", "=", "d.artifact")
        .onRef("m.scope", "=", "d.scope"),
    )
    .select("m.manifest")
    .where("d.organization", "=", server.organization)
    .where("d.server", "=", server.id)
    .where("d.slug", "=", input.deployment)
    .executeTakeFirst();
  const found = row ?? (input.deployment === "live" ? await ofExternal(ctx, server) : undefined);
  if (found === undefined) throw notFound("deployment", `${server.slug}@${input.deployment}`);
  const items = (found.manifest as unknown as Manifest).items.map(({ kind, name, hash, definition }) => {
    const description = definition["description"];
    return {
      kind,
      name,
      hash,
      definition: { ...definition },
      description: typeof description === "string" ? description : null,
    };
  });
  return { items, nextCursor: null };
}

/** The manifest of a server that runs elsewhere, as of its last refresh. */
function ofExternal(ctx: Context, { organization, id }: { organization: string; id: string }) {
  return ctx.db
    .selectFrom("external_servers")
    .select("manifest")
    .where("organization", "=", organization)
    .where("server", "=", id)
    .executeTakeFirst();
}
