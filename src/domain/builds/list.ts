import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Context } from "../context.ts";
import { decodeCursor, toPage } from "../page.ts";
import { loadServer } from "../servers/load.ts";
import { viewBuilds } from "./view.ts";

/** A server's builds, newest first. */
export async function listBuilds(
  ctx: Context,
  input: { organization: string; server: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listBuilds"]>> {
  const server = await loadServer(ctx, input, "logs");
  const after = decodeCursor(input.cursor, 1);
  let query = ctx.db
    .selectFrom("builds")
    .select("id")
    .where("organization", "=", server.organization)
    .where("server", "=", server.id);
  if (after) query = query.where("id", "<", after[0]!);
  const rows = await query
    .orderBy("id", "desc")
    .limit(input.limit + 1)
    .execute();
  const page = toPage(
    rows,
    input.limit,
    (row) => row.id,
    (row) => [row.id],
  );
  return { items: await viewBuilds(ctx, server.organization, page.items), nextCursor: page.nextCursor };
}
