import type { z } from "zod";
import type { Server } from "../../contract/schemas.ts";
import type { StoredBuildError } from "../../store/tables.ts";
import { may } from "../authorize.ts";
import type { Context } from "../context.ts";
import { endpointUrl } from "../servers/endpoint.ts";
import type { LoadedServer } from "../servers/load.ts";

type ServerView = z.output<typeof Server>;

/** Servers as the registry shows them: with their deployments and their last build. */
export async function viewServers(ctx: Context, servers: readonly LoadedServer[]): Promise<ServerView[]> {
  if (servers.length === 0) return [];
  const organization = servers[0]!.organization;
  const ids = servers.map((server) => server.id);
  const [externals, deployments, builds] = await Promise.all([
    ctx.db
      .selectFrom("external_servers")
      .select(["server", "url", "problem", "checked_at", "refreshed_at"])
      .where("organization", "=", organization)
      .where("server", "in", ids)
      .execute(),
    ctx.db
      .selectFrom("deployments")
      .selectAll()
      .where("organization", "=", organization)
      .where("server", "in", ids)
      .orderBy("slug")
      .execute(),
    ctx.db
      .selectFrom("builds")
      .select(["server", "id", "status", "created_at", "commit", "subject", "error", "warnings"])
      .distinctOn("server")
      .where("organization", "=", organization)
      .where("server", "in", ids)
      .orderBy("server")
      .orderBy("id", "desc")
      .execute(),
  ]);
  return servers.map((server) => {
    const url = (deployment: string) =>
      endpointUrl(ctx.publicUrl(), server.organizationSlug, server.slug, deployment);
    const own = deployments.filter((deployment) => deployment.server === server.id);
    const last = builds.find((build) => build.server === server.id);
    const live = own.some((deployment) => deployment.slug === "live");
    const elsewhere = externals.find((external) => external.server === server.id);
    const building = last?.status === "queued" || last?.status === "building";
    return {
      id: server.id,
      organization: server.organizationSlug,
      slug: server.slug,
      kind: server.kind,
      description: server.description,
      owner: server.owner,
      endpoint: url("live"),
      defaultBranch: server.defaultBranch,
      upstreamEra: server.upstreamEra,
      virtualSessions: server.virtualSessions,
      status: elsewhere
        ? elsewhere.problem === null
          ? "live"
          : "failed"
        : live
          ? "live"
          : building
            ? "building"
            : last?.status === "failed"
              ? "failed"
              : "empty",
      deployments: own.map((deployment) => ({
        slug: deployment.slug,
        scope: deployment.scope,
        branch: deployment.branch,
        endpoint: url(deployment.slug),
        artifact: deployment.artifact,
        build: deployment.build,
        updatedAt: deployment.updated_at.toISOString(),
      })),
      external: elsewhere
        ? {
            url: may(ctx, server, "edit") ? elsewhere.url : null,
            reachable: elsewhere.problem === null,
            problem: may(ctx, server, "edit") ? elsewhere.problem : null,
            checkedAt: elsewhere.checked_at.toISOString(),
            refreshedAt: elsewhere.refreshed_at.toISOString(),
          }
        : null,
      lastBuild: last
        ? {
            id: last.id,
            status: last.status,
            createdAt: last.created_at.toISOString(),
            ...(may(ctx, server, "logs") ? contentOf(last) : withheld),
          }
        : null,
      createdAt: server.createdAt.toISOString(),
    };
  });
}

/** What a build says of the code: for those only who may read builds. */
function contentOf(build: {
  commit: string | null;
  subject: string | null;
  error: unknown;
  warnings: string[];
}) {
  const error = build.error as StoredBuildError | null;
  return {
    commit: build.commit,
    subject: build.subject,
    error: error && { step: error.step, message: error.message },
    warnings: build.warnings,
  };
}
const withheld = { commit: null, subject: null, error: null, warnings: [] };
