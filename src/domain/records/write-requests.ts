import { sql } from "kysely";
import { storableJson } from "../../store/storable.ts";
import type { Services } from "../context.ts";
import { createQueue, type Queue } from "./queue.ts";

/** A request record as the gateway makes it: the columns of `requests`, `at` in milliseconds since 1970. */
export interface RequestRecord {
  readonly id: string;
  readonly at: number;
  readonly organization: string | null;
  readonly server: string | null;
}

/** Request records into their table, a batch each 200 ms. */
export function createRequestWriter(services: Services): Queue<RequestRecord> {
  const { db, notices, log } = services;
  return createQueue<RequestRecord>({
    name: "request records",
    capacity: 50_000,
    intervalMs: 200,
    batch: 1000,
    log,
    async write(rows) {
      const written_at = new Date(services.clock.now()).toISOString();
      const json = storableJson(
        rows.map((row) => ({ ...row, at: new Date(row.at).toISOString(), written_at })),
      );
      await sql`insert into requests select * from json_populate_recordset(null::requests, ${json}::json) on conflict do nothing`.execute(
        db,
      );
      const servers = new Set(rows.flatMap((row) => row.server ?? []));
      for (const server of servers) await notices.send(db, "records", server);
    },
  });
}
