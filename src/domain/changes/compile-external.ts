import type { Manifest } from "../../mcp/manifest.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import type { Db } from "../../store/database.ts";
import { erasFor } from "../servers/eras.ts";

/** The one endpoint of a server that is not hosted here; none for another kind. */
export async function compileExternal(
  db: Db,
  organization: string,
  server: string,
  options: { readonly requestWindowMs: number },
): Promise<Endpoint[]> {
  const row = await db
    .selectFrom("external_servers as e")
    .innerJoin("servers as s", (join) =>
      join.onRef("s.organization", "=", "e.organization").onRef("s.id", "=", "e.server"),
    )
    .innerJoin("organizations as o", "o.id", "e.organization")
    .select(["e.endpoint", "e.url", "e.manifest", "s.slug", "s.upstream_era", "o.slug as organizationSlug"])
    .where("e.organization", "=", organization)
    .where("e.server", "=", server)
    .executeTakeFirst();
  if (row === undefined) return [];
  const manifest = row.manifest as unknown as Manifest;
  return [
    {
      id: row.endpoint,
      organization: { id: organization, slug: row.organizationSlug },
      server: { id: server, slug: row.slug, kind: "external" },
      deployment: "live",
      upstream: {
        kind: "external",
        organization,
        server,
        url: row.url,
        ...(manifest.transport === undefined ? {} : { transport: manifest.transport }),
      },
      manifest,
      eras: erasFor(manifest, row.upstream_era),
      // What is kept for a virtual session is kept for code that runs here.
      virtualSessions: false,
      requestWindowMs: options.requestWindowMs,
    },
  ];
}
