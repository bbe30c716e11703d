import type { Manifest } from "../../mcp/manifest.ts";
import { codeOf, type EraRefusal, withRefusals } from "../../snapshot/era-refusals.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import type { Shard } from "../../snapshot/state.ts";
import type { Db } from "../../store/database.ts";
import { loadPrincipal } from "../principals/load.ts";
import { compileExternal } from "./compile-external.ts";
import { erasFor } from "../servers/eras.ts";

export interface CompileOptions {
  readonly requestWindowMs: number;
}

/** The endpoints of one server, as the gateway serves them; none when the server is gone. */
export async function compileServer(
  db: Db,
  organization: string,
  server: string,
  options: CompileOptions,
): Promise<Shard> {
  const endpoints = await deployedEndpoints(db, organization, server, options);
  const given = endpoints.length > 0 ? endpoints : await compileExternal(db, organization, server, options);
  const refusals = await refusalsOf(db, organization, server, given);
  return {
    kind: "server",
    subject: server,
    endpoints: given.map((endpoint) => withRefusals(endpoint, refusals)),
  };
}

/** What was refused in the wrong era, of the code that serves and answers in both. */
async function refusalsOf(
  db: Db,
  organization: string,
  server: string,
  endpoints: readonly Endpoint[],
): Promise<EraRefusal[]> {
  const codes = endpoints.filter(({ eras }) => eras.length > 1).map(codeOf);
  if (codes.length === 0) return [];
  return db
    .selectFrom("era_refusals")
    .select(["organization", "server", "code", "kind", "hash", "era"])
    .where("organization", "=", organization)
    .where("server", "=", server)
    .where("code", "in", codes)
    .execute();
}

async function deployedEndpoints(
  db: Db,
  organization: string,
  server: string,
  options: CompileOptions,
): Promise<Endpoint[]> {
  const rows = await db
    .selectFrom("deployments as d")
    .innerJoin("servers as s", (join) =>
      join.onRef("s.organization", "=", "d.organization").onRef("s.id", "=", "d.server"),
    )
    .innerJoin("organizations as o", "o.id", "d.organization")
    .innerJoin("manifests as m", (join) =>
      join
        .onRef("m.organization", "=", "d.organization")
        .onRef("m.server", "=", "d.server")
        .onRef("m.artifact", "=", "d.artifact")
        .onRef("m.scope", "=", "d.scope"),
    )
    .select([
      "d.id",
      "d.slug as deployment",
      "d.artifact",
      "d.scope",
      "d.variable_set",
      "s.slug",
      "s.kind",
      "s.upstream_era",
      "s.virtual_sessions",
      "o.slug as organizationSlug",
      "m.manifest",
    ])
    .where("d.organization", "=", organization)
    .where("d.server", "=", server)
    .execute();
  return rows.map((row): Endpoint => {
    const manifest = row.manifest as unknown as Manifest;
    return {
      id: row.id,
      organization: { id: organization, slug: row.organizationSlug },
      server: { id: server, slug: row.slug, kind: "hosted" },
      deployment: row.deployment,
      upstream: {
        kind: "hosted",
        target: {
          organization,
          server,
          artifact: row.artifact,
          scope: row.scope,
          variables: row.variable_set,
        },
      },
      manifest,
      eras: erasFor(manifest, row.upstream_era),
      virtualSessions: row.virtual_sessions,
      requestWindowMs: options.requestWindowMs,
    };
  });
}

/** The private hosts that the organization's connections may reach. */
export async function compileEgress(db: Db, organization: string): Promise<Shard> {
  const hosts = await db
    .selectFrom("allowed_hosts")
    .select(["host", "port"])
    .where("organization", "=", organization)
    .execute();
  return { kind: "egress", organization, hosts };
}

export async function compileKey(db: Db, organization: string, id: string): Promise<Shard> {
  const row = await db
    .selectFrom("keys")
    .select(["hash", "principal", "revoked_at"])
    .where("organization", "=", organization)
    .where("id", "=", id)
    .executeTakeFirst();
  const live = row !== undefined && row.revoked_at === null;
  return {
    kind: "key",
    subject: id,
    key: live ? { id, organization, principal: row.principal, hash: row.hash } : undefined,
  };
}

export async function compilePrincipal(db: Db, organization: string, id: string): Promise<Shard> {
  return {
    kind: "principal",
    organization,
    subject: id,
    principal: await loadPrincipal(db, organization, id),
  };
}
