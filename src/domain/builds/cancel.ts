import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Context } from "../context.ts";
import { loadServer } from "../servers/load.ts";
import { write } from "../write.ts";
import { type BuildPath, requireBuildOf } from "./get.ts";
import { viewBuild } from "./view.ts";

/** Cancels a build that has not ended. What serves stays as it is. */
export async function cancelBuild(ctx: Context, input: BuildPath): Promise<Output<Routes["cancelBuild"]>> {
  const server = await loadServer(ctx, input, "deploy");
  await requireBuildOf(ctx, server, input.build);
  await write(ctx, server.organization, async ({ tx, audit }) => {
    const canceled = await tx
      .updateTable("builds")
      .set({ status: "canceled", finished_at: new Date(ctx.clock.now()) })
      .where("organization", "=", server.organization)
      .where("id", "=", input.build)
      .where("status", "in", ["queued", "building"])
      .returning("id")
      .executeTakeFirst();
    if (canceled === undefined) {
      const { status } = await tx
        .selectFrom("builds")
        .select("status")
        .where("organization", "=", server.organization)
        .where("id", "=", input.build)
        .executeTakeFirstOrThrow();
      throw new OffingError("conflict", `this build is ${status} already`);
    }
    audit("build.cancel", input.build);
    await ctx.notices.send(tx, "builds", input.build);
  });
  return viewBuild(ctx, server.organization, input.build);
}
