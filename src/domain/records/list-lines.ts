import type { z } from "zod";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { ServerLine } from "../../contract/schemas.ts";
import type { Tables } from "../../store/tables.ts";
import type { Context } from "../context.ts";
import { decodeMoment, toPage } from "../page.ts";
import { loadServer } from "../servers/load.ts";

/** What a server's instances printed, newest first. */
export async function listServerLines(
  ctx: Context,
  input: {
    organization: string;
    server: string;
    limit: number;
    cursor?: string | undefined;
    since?: string | undefined;
  },
): Promise<Output<Routes["listServerLines"]>> {
  const server = await loadServer(ctx, input, "logs");
  const after = decodeMoment(input.cursor);
  let query = ctx.db
    .selectFrom("server_lines")
    .selectAll()
    .where("organization", "=", server.organization)
    .where("server", "=", server.id);
  if (input.since) query = query.where("at", ">=", new Date(input.since));
  if (after)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple("at", "id"), "<", tuple(after.at, after.id)),
    );
  const rows = await query
    .orderBy("at", "desc")
    .orderBy("id", "desc")
    .limit(input.limit + 1)
    .execute();
  return toPage(rows, input.limit, lineView, (row) => [row.at.toISOString(), row.id]);
}

export function lineView(row: Tables["server_lines"]): z.output<typeof ServerLine> {
  const { id, artifact, scope, instance, text, request } = row;
  const stream = row.stream === "stdout" || row.stream === "stderr" ? row.stream : "system";
  return { id, at: row.at.toISOString(), artifact, scope, instance, stream, text, request };
}
