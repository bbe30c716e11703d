import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Tx } from "../../store/database.ts";
import { deployCommand } from "../builds/command.ts";
import { notFound } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import { getServer } from "../registry/get-server.ts";
import { type LoadedServer, loadServer } from "../servers/load.ts";
import { write } from "../write.ts";

/**
 * Makes the live deployment select the artifact of an earlier build: the named
 * one, or the last one that was live before with another artifact. No rebuild;
 * calls that run end where they began. The variables stay as they are: a secret
 * that was replaced is not brought back with old code, so that a build of the
 * artifact that is live has nothing to go back to.
 */
export async function rollback(
  ctx: Context,
  input: { organization: string; server: string; build?: string | undefined },
): Promise<Output<Routes["rollback"]>> {
  const server = await loadServer(ctx, input, "deploy");
  const { organization } = server;
  await write(ctx, organization, async ({ tx, audit, change }) => {
    const live = await tx
      .selectFrom("deployments")
      .select(["id", "artifact", "build"])
      .where("organization", "=", organization)
      .where("server", "=", server.id)
      .where("slug", "=", "live")
      .forUpdate()
      .executeTakeFirst();
    if (live === undefined) {
      throw new OffingError("precondition", `${server.slug} has nothing live yet`, {
        hint: "deploy it first: ./offing deploy SOURCE",
      });
    }
    let query = tx
      .selectFrom("selections")
      .select(["artifact", "build"])
      .where("organization", "=", organization)
      .where("deployment", "=", live.id);
    query =
      input.build === undefined
        ? query.where("artifact", "!=", live.artifact)
        : query.where("build", "=", input.build);
    const earlier = await query.orderBy("seq", "desc").executeTakeFirst();
    if (earlier === undefined) {
      if (input.build !== undefined) throw notFound("build that was live on this server,", input.build);
      throw new OffingError(
        "precondition",
        `every build that was live on ${server.slug} has the artifact that is live now, so there is nothing to go back to: a rollback leaves the variables as they are`,
        { hint: await variablesHint(tx, server) },
      );
    }
    if (earlier.build === live.build)
      throw new OffingError("conflict", `build ${live.build} is live already`);
    if (earlier.artifact === live.artifact) {
      throw new OffingError(
        "precondition",
        `build ${earlier.build} has the artifact that is live now, so a rollback to it changes nothing: it leaves the variables as they are`,
        { hint: await variablesHint(tx, server) },
      );
    }
    await tx
      .updateTable("deployments")
      .set({ artifact: earlier.artifact, build: earlier.build, updated_at: new Date(ctx.clock.now()) })
      .where("organization", "=", organization)
      .where("id", "=", live.id)
      .execute();
    await tx
      .insertInto("selections")
      .values({
        organization,
        deployment: live.id,
        artifact: earlier.artifact,
        build: earlier.build,
        reason: "rollback",
        actor: actorId(ctx.actor),
      })
      .execute();
    audit("deployment.rollback", live.id, {
      server: server.id,
      from: live.build,
      to: earlier.build,
      artifact: earlier.artifact,
    });
    await change("server", server.id);
  });
  return getServer(ctx, input);
}

/** What brings other values back: only a build takes them. */
async function variablesHint(tx: Tx, server: LoadedServer): Promise<string> {
  return `where a variable is what is wrong, set it again: ./offing env set ${server.slug} KEY=VALUE\nThen deploy: ${await deployCommand(tx, server)}`;
}
