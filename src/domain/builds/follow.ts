import type { z } from "zod";
import type { BuildEvent } from "../../contract/schemas.ts";
import { type Context, renewed } from "../context.ts";
import { loadServer, type LoadedServer } from "../servers/load.ts";
import { wakeups } from "../wakeups.ts";
import { type BuildPath, requireBuildOf } from "./get.ts";
import { viewBuild } from "./view.ts";

type Event = z.output<typeof BuildEvent>;

type FollowBuild = BuildPath & { after?: string | undefined; signal: AbortSignal };

/**
 * A build's log after line `after`, then as it grows; a `build` event whenever
 * the build itself changed, the last one when it has ended. Ids are line numbers.
 */
export async function followBuild(
  ctx: Context,
  input: FollowBuild,
): Promise<AsyncGenerator<{ id: string; data: Event }>> {
  const server = await loadServer(ctx, input, "logs");
  await requireBuildOf(ctx, server, input.build);
  return events(ctx, input, server);
}

async function* events(
  ctx: Context,
  input: FollowBuild,
  server: LoadedServer,
): AsyncGenerator<{ id: string; data: Event }> {
  let after = /^\d{1,18}$/.test(input.after ?? "") ? input.after! : "0";
  let shown = "";
  for await (const _ of wakeups(ctx, "builds", input.build, input.signal)) {
    await loadServer(await renewed(ctx), input, "logs");
    // The build is read before its lines: when it says that it has ended, every line is there.
    const build = await viewBuild(ctx, server.organization, input.build);
    // Who is told that it succeeded calls it next.
    if (build.status === "succeeded") await ctx.changes.caughtUp();
    for (;;) {
      const rows = await ctx.db
        .selectFrom("build_lines")
        .selectAll()
        .where("organization", "=", server.organization)
        .where("build", "=", input.build)
        .where("seq", ">", after)
        .orderBy("seq")
        .limit(1000)
        .execute();
      for (const row of rows) {
        after = row.seq;
        const stream = row.stream === "out" || row.stream === "err" ? row.stream : "info";
        yield {
          id: after,
          data: { type: "line", at: row.at.toISOString(), step: row.step, stream, text: row.text },
        };
      }
      if (rows.length < 1000) break;
    }
    const text = JSON.stringify(build);
    if (text !== shown) yield { id: after, data: { type: "build", build } };
    shown = text;
    if (build.status === "succeeded" || build.status === "failed" || build.status === "canceled") return;
  }
}
