import { sql } from "kysely";
import type { z } from "zod";
import type { Build } from "../../contract/schemas.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import type { StoredBuildError, StoredSource } from "../../store/tables.ts";
import { notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { endpointUrl } from "../servers/endpoint.ts";
import { describeSource } from "./source.ts";

type BuildView = z.output<typeof Build>;

export async function viewBuild(ctx: Context, organization: string, id: string): Promise<BuildView> {
  const [view] = await viewBuilds(ctx, organization, [id]);
  if (view === undefined) throw notFound("build", id);
  return view;
}

/** Builds with their steps and where they serve, in the order of `ids`. */
export async function viewBuilds(
  ctx: Context,
  organization: string,
  ids: readonly string[],
): Promise<BuildView[]> {
  if (ids.length === 0) return [];
  const [rows, steps, selected] = await Promise.all([
    ctx.db
      .selectFrom("builds as b")
      .innerJoin("servers as s", (join) =>
        join.onRef("s.organization", "=", "b.organization").onRef("s.id", "=", "b.server"),
      )
      .innerJoin("organizations as o", "o.id", "b.organization")
      .leftJoin("manifests as m", (join) =>
        join
          .onRef("m.organization", "=", "b.organization")
          .onRef("m.server", "=", "b.server")
          .onRef("m.artifact", "=", "b.artifact")
          .onRef("m.scope", "=", "b.scope"),
      )
      .leftJoin("artifacts as a", (join) =>
        join.onRef("a.organization", "=", "b.organization").onRef("a.digest", "=", "b.artifact"),
      )
      .selectAll("b")
      .select(["s.slug", "o.slug as organization_slug", "m.manifest"])
      .select(sql<string | null>`a.detail->>'entrypoint'`.as("artifact_entrypoint"))
      .select(sql<string | null>`a.detail->>'object'`.as("artifact_object"))
      .where("b.organization", "=", organization)
      .where("b.id", "in", ids)
      .orderBy("b.id")
      .execute(),
    ctx.db
      .selectFrom("build_steps")
      .selectAll()
      .where("organization", "=", organization)
      .where("build", "in", ids)
      .orderBy("build")
      .orderBy("position")
      .execute(),
    ctx.db
      .selectFrom("selections as s")
      .innerJoin("deployments as d", (join) =>
        join.onRef("d.organization", "=", "s.organization").onRef("d.id", "=", "s.deployment"),
      )
      .select(["s.build", "d.slug"])
      .where("s.organization", "=", organization)
      .where("s.build", "in", ids)
      .where("s.reason", "=", "deploy")
      .execute(),
  ]);
  const views = new Map<string, BuildView>();
  for (const row of rows) {
    const deployment = selected.find((selection) => selection.build === row.id)?.slug;
    const manifest = row.manifest as unknown as Manifest | null;
    views.set(row.id, {
      id: row.id,
      server: row.slug,
      status: row.status,
      source: describeSource(row.source as StoredSource),
      ref: row.ref,
      commit: row.commit,
      subject: row.subject,
      entrypoint: entrypointOf(row),
      dependencyFile: row.dependency_file,
      artifact: row.artifact,
      deployment:
        deployment === undefined
          ? null
          : {
              slug: deployment,
              endpoint: endpointUrl(ctx.publicUrl(), row.organization_slug, row.slug, deployment),
            },
      error: viewError(row.error as StoredBuildError | null),
      warnings: row.warnings,
      steps: steps
        .filter((step) => step.build === row.id)
        .map((step) => ({
          step: step.step,
          status: step.status,
          reused: step.reused,
          startedAt: step.started_at.toISOString(),
          durationMs: step.duration_ms,
        })),
      capabilities: row.status === "succeeded" && manifest ? manifest.items.length : null,
      requestedBy: row.requested_by,
      createdAt: row.created_at.toISOString(),
      durationMs: row.finished_at ? row.finished_at.getTime() - row.created_at.getTime() : null,
    });
  }
  return ids.flatMap((id) => views.get(id) ?? []);
}

/** What is served, once the build has found it; before that, what it was told. */
function entrypointOf(row: {
  entrypoint: string | null;
  artifact_entrypoint: string | null;
  artifact_object: string | null;
}): string | null {
  if (row.artifact_entrypoint === null) return row.entrypoint;
  return row.artifact_object === null
    ? row.artifact_entrypoint
    : `${row.artifact_entrypoint}:${row.artifact_object}`;
}

function viewError(error: StoredBuildError | null): BuildView["error"] {
  return error && { ...error, missing: [...(error.missing ?? [])] };
}
