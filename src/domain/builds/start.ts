import type { Given, Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { newId } from "../../lib/ids.ts";
import { storableJson } from "../../store/storable.ts";
import { inOrganization, requireRole } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import { findOrMakeServer } from "../servers/find-or-make.ts";
import { type Write, write } from "../write.ts";
import { gitHost, toStoredSource } from "./source.ts";
import { viewBuild } from "./view.ts";

type StartBuild = Given<Routes["startBuild"]>;

/**
 * Queues a build of a source for a server, which is made when it is not there
 * (by admins of the organization). Builds of one server run one after another.
 */
export async function startBuild(
  ctx: Context,
  input: { organization: string } & StartBuild,
): Promise<Output<Routes["startBuild"]>> {
  const organization = inOrganization(ctx, input.organization);
  const source = await toStoredSource(ctx, organization, input.source);
  if (input.allowPrivate) requireRole(ctx, "admin", "Allowing a private Git host");
  const id = newId("bld", ctx.clock.now());
  await write(ctx, organization, async (w) => {
    const server = await findOrMakeServer(ctx, w, organization, input.server, "deploy");
    if (input.allowPrivate && input.source.kind === "git")
      await allowHost(ctx, w, organization, input.source.url);
    await w.tx
      .insertInto("builds")
      .values({
        organization,
        id,
        server,
        status: "queued",
        source: storableJson(source),
        ref: source.ref,
        entrypoint: input.entrypoint ?? null,
        dependency_file: input.dependencyFile ?? null,
        requested_by: actorId(ctx.actor),
      })
      .execute();
    await ctx.jobs.add(
      w.tx,
      "build",
      { organization, build: id },
      { queue: `server:${server}`, key: `build:${id}` },
    );
    w.audit("build.start", id, {
      server: input.server,
      source: source.kind === "git" ? source.url : source.name,
    });
  });
  return viewBuild(ctx, organization, id);
}

async function allowHost(
  ctx: Context,
  { tx, audit }: Write,
  organization: string,
  url: string,
): Promise<void> {
  const { host, port } = gitHost(url);
  const added = await tx
    .insertInto("allowed_hosts")
    .values({ organization, host, port, created_by: actorId(ctx.actor) })
    .onConflict((conflict) => conflict.doNothing())
    .returning("host")
    .executeTakeFirst();
  if (added) audit("allowed_host.add", `${host}:${port}`, {});
}
