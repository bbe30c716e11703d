import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import type { Tx } from "../../store/database.ts";
import type { Context } from "../context.ts";
import { getServer } from "../registry/get-server.ts";
import { write } from "../write.ts";
import { spokenEras, type UpstreamEra } from "./eras.ts";
import { type LoadedServer, loadServer } from "./load.ts";

/** Changes what its owner fixes of a server; what is left out stays. Effective on every replica at once. */
export async function setServer(
  ctx: Context,
  input: {
    organization: string;
    server: string;
    upstreamEra?: UpstreamEra | undefined;
    virtualSessions?: boolean | undefined;
  },
): Promise<Output<Routes["setServer"]>> {
  const server = await loadServer(ctx, input, "administer");
  const { upstreamEra = server.upstreamEra, virtualSessions = server.virtualSessions } = input;
  if (input.upstreamEra === undefined && input.virtualSessions === undefined) {
    throw new OffingError("invalid", "there is nothing to set", {
      hint: "name upstreamEra or virtualSessions",
    });
  }
  const { organization } = server;
  await write(ctx, organization, async ({ tx, audit, change }) => {
    await requireAnswered(tx, server, upstreamEra);
    if (virtualSessions && server.kind !== "hosted") {
      throw new OffingError(
        "precondition",
        `${server.slug} does not run here, so no session can be kept for it`,
        {
          hint: "virtual sessions are for hosted servers",
        },
      );
    }
    await tx
      .updateTable("servers")
      .set({ upstream_era: upstreamEra, virtual_sessions: virtualSessions })
      .where("organization", "=", organization)
      .where("id", "=", server.id)
      .execute();
    audit("server.set", server.id, { upstreamEra, virtualSessions });
    await change("server", server.id);
  });
  return getServer(ctx, input);
}

/** Throws `precondition` where a deployment answers in no era that would be left. */
async function requireAnswered(tx: Tx, server: LoadedServer, wanted: UpstreamEra): Promise<void> {
  const rows = await tx
    .selectFrom("deployments as d")
    .innerJoin("manifests as m", (join) =>
      join
        .onRef("m.organization", "=", "d.organization")
        .onRef("m.server", "=", "d.server")
        .onRef("m.artifact", "=", "d.artifact")
        .onRef("m.scope", "=", "d.scope"),
    )
    .select(["d.slug", "m.manifest"])
    .where("d.organization", "=", server.organization)
    .where("d.server", "=", server.id)
    .orderBy("d.slug")
    .execute();
  const elsewhere = await tx
    .selectFrom("external_servers")
    .select("manifest")
    .where("organization", "=", server.organization)
    .where("server", "=", server.id)
    .execute();
  for (const { slug, manifest } of [...rows, ...elsewhere.map((row) => ({ slug: "live", ...row }))]) {
    const { eras } = manifest as unknown as Manifest;
    if (spokenEras(eras, wanted).length > 0) continue;
    const name = slug === "live" ? server.slug : `${server.slug}@${slug}`;
    throw new OffingError("precondition", `${name} answers only in the ${eras.join(" and ")} era`, {
      hint: `leave its era to Offing: ./offing servers set ${server.slug} --upstream-era auto`,
    });
  }
}
