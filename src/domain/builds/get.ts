import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { loadServer, type LoadedServer } from "../servers/load.ts";
import { viewBuild } from "./view.ts";

export interface BuildPath {
  readonly organization: string;
  readonly server: string;
  readonly build: string;
}

/** One build of one server, if the actor may read its logs. */
export async function getBuild(ctx: Context, input: BuildPath): Promise<Output<Routes["getBuild"]>> {
  const server = await loadServer(ctx, input, "logs");
  await requireBuildOf(ctx, server, input.build);
  const build = await viewBuild(ctx, server.organization, input.build);
  // Who is told that it succeeded calls it next.
  if (build.status === "succeeded") await ctx.changes.caughtUp();
  return build;
}

export async function requireBuildOf(ctx: Context, server: LoadedServer, build: string): Promise<void> {
  const row = await ctx.db
    .selectFrom("builds")
    .select("id")
    .where("organization", "=", server.organization)
    .where("server", "=", server.id)
    .where("id", "=", build)
    .executeTakeFirst();
  if (row === undefined) throw notFound("build", build);
}
