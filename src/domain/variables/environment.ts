import type { Services } from "../context.ts";
import { previewSlug } from "../deployments/preview-slug.ts";
import { branchOf } from "../deployments/scope.ts";
import { baseUrl } from "../servers/endpoint.ts";
import type { StoredSource } from "../../store/tables.ts";
import { openSet } from "./sets.ts";

interface Target {
  readonly organization: string;
  readonly server: string;
  readonly artifact: string;
  readonly scope: string;
  readonly variables: string | null;
}

/**
 * The environment variables of an instance: those of its set, and those that
 * servers written for FastMCP Cloud expect (its URL without `/mcp`, the commit,
 * the repository). Read when an instance starts, never on a request's way.
 */
export async function instanceVariables(
  services: Pick<Services, "db" | "secrets" | "publicUrl">,
  target: Target,
): Promise<{ variables: Record<string, string>; told: Record<string, string> }> {
  const [variables, told] = await Promise.all([
    target.variables === null ? {} : openSet(services, target.organization, target.variables),
    platformVariables(services, target),
  ]);
  return { variables, told };
}

async function platformVariables(
  { db, publicUrl }: Pick<Services, "db" | "publicUrl">,
  target: Target,
): Promise<Record<string, string>> {
  // The last build that made this artifact, else the one that inspects it now.
  const build = await db
    .selectFrom("builds as b")
    .innerJoin("servers as s", (join) =>
      join.onRef("s.organization", "=", "b.organization").onRef("s.id", "=", "b.server"),
    )
    .innerJoin("organizations as o", "o.id", "b.organization")
    .select(["b.commit", "b.ref", "b.source", "s.slug", "o.slug as organization"])
    .where("b.organization", "=", target.organization)
    .where("b.server", "=", target.server)
    .where("b.scope", "=", target.scope)
    .where((e) => e.or([e("b.artifact", "=", target.artifact), e("b.status", "=", "building")]))
    .orderBy("b.artifact", (order) => order.asc().nullsLast())
    .orderBy("b.id", "desc")
    .executeTakeFirst();
  if (build === undefined) return {};
  const branch = branchOf(build.ref);
  const deployment =
    target.scope === "preview" && branch !== null
      ? await previewSlug(db, { organization: target.organization, server: target.server, branch })
      : "live";
  const source = build.source as StoredSource;
  return {
    FASTMCP_CLOUD_URL: baseUrl(publicUrl(), build.organization, build.slug, deployment),
    ...(build.commit === null ? {} : { FASTMCP_CLOUD_GIT_COMMIT_SHA: build.commit }),
    FASTMCP_CLOUD_GIT_REPO: source.kind === "git" ? source.url.replace(/\.git$/, "") : source.name,
  };
}
