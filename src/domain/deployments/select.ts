import { sql } from "kysely";
import { type Artifact, BuildError } from "../../build/build.ts";
import { newId } from "../../lib/ids.ts";
import type { Manifest } from "../../mcp/manifest.ts";
import type { Context } from "../context.ts";
import { storableJson } from "../../store/storable.ts";
import { write } from "../write.ts";
import { previewSlug } from "./preview-slug.ts";
import { branchOf } from "./scope.ts";

/**
 * Ends a build: keeps its artifact and manifest and moves the deployment's
 * pointer, in one transaction. The live deployment is moved, unless the build
 * was of a branch other than the default one: then that branch's preview.
 */
export async function selectArtifact(
  ctx: Context,
  input: { organization: string; build: string; artifact: Artifact; manifest: Manifest },
): Promise<void> {
  const { organization, build, artifact, manifest } = input;
  await write(ctx, organization, async ({ tx, audit, change }) => {
    const row = await tx
      .updateTable("builds")
      .set({ status: "succeeded", artifact: artifact.digest, finished_at: new Date(ctx.clock.now()) })
      .where("organization", "=", organization)
      .where("id", "=", build)
      .where("status", "=", "building")
      .returning(["server", "ref", "scope", "requested_by", "variable_set"])
      .executeTakeFirst();
    if (row === undefined)
      throw new BuildError("select", "canceled", "the build was canceled before its artifact was selected");
    const server = await tx
      .selectFrom("servers")
      .select(["id", "default_branch"])
      .where("organization", "=", organization)
      .where("id", "=", row.server)
      .forNoKeyUpdate()
      .executeTakeFirstOrThrow();
    const branch = branchOf(row.ref);
    // What was inspected is what serves: its scope, and the set that the build took, not the newest one.
    const scope = row.scope === "preview" ? "preview" : "production";
    if (server.default_branch === null && branch !== null && scope === "production") {
      await tx
        .updateTable("servers")
        .set({ default_branch: branch })
        .where("organization", "=", organization)
        .where("id", "=", server.id)
        .execute();
    }
    const slug =
      scope === "preview" && branch !== null
        ? await previewSlug(tx, { organization, server: server.id, branch })
        : "live";
    const variables = scope === "preview" ? null : row.variable_set;

    await tx
      .insertInto("artifacts")
      .values({ organization, digest: artifact.digest, detail: storableJson(artifact) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await tx
      .insertInto("manifests")
      .values({
        organization,
        server: server.id,
        artifact: artifact.digest,
        scope,
        manifest: storableJson(manifest),
      })
      .onConflict((conflict) =>
        conflict
          .columns(["organization", "server", "artifact", "scope"])
          .doUpdateSet({ manifest: storableJson(manifest) }),
      )
      .execute();
    const at = new Date(ctx.clock.now());
    const { id } = await tx
      .insertInto("deployments")
      .values({
        organization,
        id: newId("dep"),
        server: server.id,
        slug,
        scope,
        branch,
        artifact: artifact.digest,
        build,
        variable_set: variables,
        updated_at: at,
      })
      .onConflict((conflict) =>
        conflict.columns(["organization", "server", "slug"]).doUpdateSet({
          artifact: artifact.digest,
          build,
          branch,
          variable_set: variables,
          updated_at: at,
        }),
      )
      .returning("id")
      .executeTakeFirstOrThrow();
    await tx
      .insertInto("selections")
      .values({
        organization,
        deployment: id,
        artifact: artifact.digest,
        build,
        reason: "deploy",
        actor: row.requested_by,
      })
      .execute();
    // With the rest: a build that has succeeded has no step that still runs.
    await tx
      .updateTable("build_steps")
      .set({
        status: "succeeded",
        duration_ms: sql<number>`extract(epoch from ${at}::timestamptz - started_at) * 1000`,
      })
      .where("organization", "=", organization)
      .where("build", "=", build)
      .where("step", "=", "select")
      .execute();
    audit("deployment.select", id, {
      server: server.id,
      deployment: slug,
      artifact: artifact.digest,
      build,
      variables,
    });
    await change("server", server.id);
    await ctx.notices.send(tx, "builds", build);
  });
}
