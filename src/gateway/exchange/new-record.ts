import { newId } from "../../lib/ids.ts";
import type { Incoming } from "../http.ts";
import type { RequestRecord } from "../ports.ts";

/** The record of a request that has just come in, `at` in milliseconds since 1970: all that is known of it yet. */
export function newRecord(at: number, req: Incoming): RequestRecord {
  return {
    id: newId("req", at),
    at,
    organization: null,
    server: null,
    deployment: null,
    artifact: null,
    scope: null,
    era: null,
    protocol_version: null,
    transport: "streamable_http",
    http_method: req.method ?? "",
    method: null,
    capability_kind: null,
    capability_name: null,
    capability_hash: null,
    principal_kind: null,
    principal: null,
    client_name: null,
    client_version: null,
    auth_kind: "none",
    key: null,
    session: null,
    ip: req.socket.remoteAddress ?? null,
    decision: null,
    because: null,
    boundary: null,
    instance: null,
    http_status: 0,
    jsonrpc_code: null,
    is_error: false,
    error: null,
    outcome: "complete",
    request_bytes: 0,
    response_bytes: 0,
    stream_events: 0,
    t_auth: 0,
    t_policy: 0,
    t_cold: 0,
    t_upstream: 0,
    t_total: 0,
    trace: traceId(req.headers["traceparent"]),
  };
}

/** The trace id of a W3C `traceparent` header. */
function traceId(header: string | string[] | undefined): string | null {
  if (typeof header !== "string" || header.length < 55 || header[2] !== "-") return null;
  return header.slice(3, 35);
}
