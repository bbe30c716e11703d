import { sql } from "kysely";
import { newId } from "../../lib/ids.ts";
import type { ServerLine } from "../../runner/runner.ts";
import type { Services } from "../context.ts";
import { createQueue, type Queue } from "./queue.ts";

const MAX_TEXT = 8192;

/** What instances print, into its table, a batch each 100 ms. */
export function createLineWriter(services: Services): Queue<ServerLine> {
  const { db, notices, log } = services;
  return createQueue<ServerLine>({
    name: "server log lines",
    capacity: 50_000,
    intervalMs: 100,
    batch: 1000,
    log,
    async write(lines) {
      const rows = lines.map(({ at, target, instance, stream, text, request }) => ({
        organization: target.organization,
        server: target.server,
        id: newId("req", at),
        at: new Date(at).toISOString(),
        artifact: target.artifact,
        scope: target.scope,
        instance,
        stream,
        text: clip(text.replaceAll("\0", "\\0")),
        request,
      }));
      const json = JSON.stringify(rows);
      await sql`insert into server_lines select * from json_populate_recordset(null::server_lines, ${json}::json)`.execute(
        db,
      );
      for (const server of new Set(rows.map((row) => row.server))) await notices.send(db, "lines", server);
    },
  });
}

function clip(text: string): string {
  return text.length <= MAX_TEXT
    ? text
    : `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`;
}
