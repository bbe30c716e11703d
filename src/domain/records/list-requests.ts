import type { Selectable } from "kysely";
import type { z } from "zod";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Request } from "../../contract/schemas.ts";
import type { Tables } from "../../store/tables.ts";
import type { Context } from "../context.ts";
import { decodeMoment, toPage } from "../page.ts";
import { loadServer } from "../servers/load.ts";

/** The requests to a server, newest first. */
export async function listRequests(
  ctx: Context,
  input: {
    organization: string;
    server: string;
    limit: number;
    cursor?: string | undefined;
    since?: string | undefined;
  },
): Promise<Output<Routes["listRequests"]>> {
  const server = await loadServer(ctx, input, "logs");
  const after = decodeMoment(input.cursor);
  let query = ctx.db
    .selectFrom("requests")
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
  return toPage(rows, input.limit, requestView, (row) => [row.at.toISOString(), row.id]);
}

type Row = Selectable<Tables["requests"]>;

export function requestView(row: Row): z.output<typeof Request> {
  return {
    id: row.id,
    at: row.at.toISOString(),
    deployment: row.deployment,
    artifact: row.artifact,
    era: row.era,
    protocolVersion: row.protocol_version,
    httpMethod: row.http_method,
    method: row.method,
    capability:
      row.capability_kind !== null && row.capability_name !== null
        ? { kind: row.capability_kind, name: row.capability_name }
        : null,
    principal: row.principal,
    client: row.client_name === null ? null : { name: row.client_name, version: row.client_version },
    session: row.session,
    decision: row.decision,
    boundary: row.boundary,
    error: row.error,
    isError: row.is_error,
    outcome: row.outcome,
    httpStatus: row.http_status,
    jsonrpcCode: row.jsonrpc_code,
    requestBytes: Number(row.request_bytes),
    responseBytes: Number(row.response_bytes),
    streamEvents: row.stream_events,
    instance: row.instance,
    trace: row.trace,
    ms: {
      auth: row.t_auth,
      policy: row.t_policy,
      cold: row.t_cold,
      upstream: row.t_upstream,
      total: row.t_total,
    },
  };
}
