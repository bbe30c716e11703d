import type { SessionRow } from "../../snapshot/session.ts";
import { storableText } from "../../store/storable.ts";

/** The row's columns. */
export function sessionValues(row: SessionRow) {
  return {
    organization: row.organization,
    id: row.id,
    server: row.server,
    endpoint: row.endpoint,
    deployment: row.deployment,
    kind: row.kind,
    principal: row.principal,
    client_name: storableText(row.clientName),
    client_version: storableText(row.clientVersion),
    revision: row.revision,
    created_at: new Date(row.createdAt),
    last_seen_at: new Date(row.seenAt),
    expires_at: new Date(row.expiresAt),
  };
}
