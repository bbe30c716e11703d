import type { z } from "zod";
import type { Request, ServerLine } from "../../contract/schemas.ts";
import { type Context, renewed } from "../context.ts";
import { decodeMoment, encodeCursor, type Moment } from "../page.ts";
import { loadServer, type LoadedServer } from "../servers/load.ts";
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
/** Replicas write side by side, so not quite in order: each look goes back this far and skips what it has shown. */
const LOOK_BACK_MS = 10_000;

/** The requests to a server, from `since` (default: now) on, oldest first. */
export function followRequests(
  ctx: Context,
  input: FollowInput,
): Promise<AsyncGenerator<{ id: string; data: z.output<typeof Request> }>> {
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
        .where(({ eb, refTuple, tuple }) => eb(refTuple("written_at", "id"), ">", tuple(from.at, from.id)))
        .orderBy("written_at")
        .orderBy("id")
        .limit(BATCH)
        .execute(),
    (row) => row.written_at!,
    requestView,
  );
}

/** What a server's instances print, from `since` (default: now) on, oldest first. */
export function followServerLines(
  ctx: Context,
  input: FollowInput,
): Promise<AsyncGenerator<{ id: string; data: z.output<typeof ServerLine> }>> {
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
    (row) => row.at,
    lineView,
  );
}

async function follow<Row extends { id: string }, View>(
  ctx: Context,
  input: FollowInput,
  ...how: How<Row, View>
): Promise<AsyncGenerator<{ id: string; data: View }>> {
  const server = await loadServer(ctx, input, "logs");
  const begin = decodeMoment(input.after) ?? {
    at: input.since ? new Date(input.since) : new Date(ctx.clock.now()),
    id: "",
  };
  return rowsFrom(ctx, input, server, begin, ...how);
}

type How<Row, View> = [
  channel: "records" | "lines",
  read: (server: { organization: string; id: string }, from: Moment) => Promise<Row[]>,
  timeOf: (row: Row) => Date,
  view: (row: Row) => View,
];

async function* rowsFrom<Row extends { id: string }, View>(
  ctx: Context,
  input: FollowInput,
  server: LoadedServer,
  begin: Moment,
  ...[channel, read, timeOf, view]: How<Row, View>
): AsyncGenerator<{ id: string; data: View }> {
  let newest = begin.at.getTime();
  let shown = new Map<string, number>();
  for await (const _ of wakeups(ctx, channel, server.id, input.signal)) {
    await loadServer(await renewed(ctx), input, "logs");
    const floor = newest - LOOK_BACK_MS;
    let from: Moment = floor > begin.at.getTime() ? { at: new Date(floor), id: "" } : begin;
    for (;;) {
      const rows = await read(server, from);
      for (const row of rows) {
        if (shown.has(row.id)) continue;
        const at = timeOf(row);
        shown.set(row.id, at.getTime());
        newest = Math.max(newest, at.getTime());
        yield { id: encodeCursor([at.toISOString(), row.id]), data: view(row) };
      }
      shown = new Map([...shown].filter(([, at]) => at >= newest - LOOK_BACK_MS));
      const last = rows.at(-1);
      if (last === undefined || rows.length < BATCH) break;
      from = { at: timeOf(last), id: last.id };
    }
  }
}
