import { sql } from "kysely";
import { orderedIds } from "../../lib/ids.ts";
import type { ServerLine } from "../../runner/runner.ts";
import { storableJson } from "../../store/storable.ts";
import type { Services } from "../context.ts";
import { createQueue, type Queue } from "./queue.ts";

const MAX_TEXT = 8192;

/** What instances print, into its table, a batch each 100 ms. */
export function createLineWriter(services: Services): Queue<ServerLine> {
  const { db, notices, log } = services;
  const nextId = orderedIds("lin");
  const queue = createQueue<ServerLine & { readonly id: string }>({
    name: "server log lines",
    capacity: 50_000,
    intervalMs: 100,
    batch: 1000,
    log,
    async write(lines) {
      const rows = lines.map(({ id, at, target, instance, stream, text, request }) => ({
        organization: target.organization,
        server: target.server,
        id,
        at: new Date(at).toISOString(),
        artifact: target.artifact,
        scope: target.scope,
        instance,
        stream,
        text: clip(text),
        request,
      }));
      const json = storableJson(rows);
      await sql`insert into server_lines select * from json_populate_recordset(null::server_lines, ${json}::json) on conflict do nothing`.execute(
        db,
      );
      for (const server of new Set(rows.map((row) => row.server))) await notices.send(db, "lines", server);
    },
  });
  return {
    push: (line) => queue.push({ ...line, id: nextId(line.at) }),
    get dropped() {
      return queue.dropped;
    },
    flush: queue.flush,
    close: queue.close,
  };
}

function clip(text: string): string {
  return text.length <= MAX_TEXT
    ? text
    : `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`;
}
