import type { z } from "zod";
import type { Request, ServerLine } from "../../contract/schemas.ts";
import type { Context } from "../context.ts";
import { decodeCursor, encodeCursor } from "../page.ts";
import { loadServer } from "../servers/load.ts";
import { wakeups } from "../wakeups.ts";
import { lineView } from "./list-lines.ts";
import { requestView } from "./list-requests.ts";

export interface FollowInput {
  readonly organization: string;
  readonly server: string;
  readonly since?: string | undefined;
  /** A cursor that an earlier event carried. */
  readonly after?: string | undefined;
  readonly signal: AbortSignal;
}

const BATCH = 500;
/** Records are written a moment after they happen, not always in order: each look goes back this far and skips what it has shown. */
const LOOK_BACK_MS = 10_000;

/** The requests to a server, from `since` (default: now) on, oldest first. */
export function followRequests(
  ctx: Context,
  input: FollowInput,
): AsyncGenerator<{ id: string; data: z.output<typeof Request> }> {
  return follow(
    ctx,
    input,
    "records",
    (server, from) =>
      ctx.db
        .selectFrom("requests")
        .selectAll()
        .where("organization", "=", server.organization)
        .where("server", "=", server.id)
        .where(({ eb, refTuple, tuple }) => eb(refTuple("at", "id"), ">", tuple(from.at, from.id)))
        .orderBy("at")
        .orderBy("id")
        .limit(BATCH)
        .execute(),
    requestView,
  );
}

/** What a server's instances print, from `since` (default: now) on, oldest first. */
export function followServerLines(
  ctx: Context,
  input: FollowInput,
): AsyncGenerator<{ id: string; data: z.output<typeof ServerLine> }> {
  return follow(
    ctx,
    input,
    "lines",
    (server, from) =>
      ctx.db
        .selectFrom("server_lines")
        .selectAll()
        .where("organization", "=", server.organization)
        .where("server", "=", server.id)
        .where(({ eb, refTuple, tuple }) => eb(refTuple("at", "id"), ">", tuple(from.at, from.id)))
        .orderBy("at")
        .orderBy("id")
        .limit(BATCH)
        .execute(),
    lineView,
  );
}

interface Position {
  readonly at: Date;
  readonly id: string;
}

async function* follow<Row extends { at: Date; id: string }, View>(
  ctx: Context,
  input: FollowInput,
  channel: "records" | "lines",
  read: (server: { organization: string; id: string }, from: Position) => Promise<Row[]>,
  view: (row: Row) => View,
): AsyncGenerator<{ id: string; data: View }> {
  const server = await loadServer(ctx, input, "logs");
  const cursor = decodeCursor(input.after, 2);
  const begin: Position = cursor
    ? { at: new Date(cursor[0]!), id: cursor[1]! }
    : { at: input.since ? new Date(input.since) : new Date(ctx.clock.now()), id: "" };
  let newest = begin.at.getTime();
  let shown = new Map<string, number>();
  for await (const _ of wakeups(ctx, channel, server.id, input.signal)) {
    const floor = newest - LOOK_BACK_MS;
    let from: Position = floor > begin.at.getTime() ? { at: new Date(floor), id: "" } : begin;
    for (;;) {
      const rows = await read(server, from);
      for (const row of rows) {
        if (shown.has(row.id)) continue;
        shown.set(row.id, row.at.getTime());
        newest = Math.max(newest, row.at.getTime());
        yield { id: encodeCursor([row.at.toISOString(), row.id]), data: view(row) };
      }
      if (rows.length < BATCH) break;
      from = rows.at(-1)!;
    }
    shown = new Map([...shown].filter(([, at]) => at >= newest - LOOK_BACK_MS));
  }
}
