import type { ColumnType, Generated, JSONColumnType } from "kysely";

type At = ColumnType<Date, Date | undefined, Date>;
type When = ColumnType<Date | null, Date | null | undefined, Date | null>;
type Json<T> = JSONColumnType<T & object>;
type NullableJson<T> = ColumnType<T | null, string | null | undefined, string | null>;
/** PostgreSQL's bigint arrives as text. */
type Big = ColumnType<string, string | number | bigint, string | number | bigint>;

/** The tables as `migrations/` makes them; the SQL is the truth. */
export interface Tables {
  organizations: { id: string; slug: string; name: string; created_at: At };
  users: { id: string; email: string; name: string; created_at: At };
  memberships: { organization: string; user: string; role: "owner" | "admin" | "member"; created_at: At };
  service_accounts: {
    organization: string;
    id: string;
    slug: string;
    role: "admin" | "member";
    created_at: At;
  };
  keys: {
    organization: string;
    id: string;
    principal: string;
    hash: string;
    prefix: string;
    label: string;
    created_by: string;
    created_at: At;
    revoked_at: When;
  };
  servers: {
    organization: string;
    id: string;
    slug: string;
    kind: "hosted" | "external" | "remix";
    owner: string;
    description: Generated<string>;
    default_branch: string | null;
    upstream_era: Generated<"auto" | "handshake" | "stateless">;
    virtual_sessions: Generated<boolean>;
    created_at: At;
  };
  external_servers: {
    organization: string;
    server: string;
    /** The id of its endpoint; another one for another URL. */
    endpoint: string;
    url: string;
    credential: "none";
    manifest: Json<object>;
    refreshed_at: Date;
    checked_at: Date;
    problem: string | null;
  };
  era_refusals: {
    organization: string;
    server: string;
    /** The artifact of a hosted server, the endpoint of an external one. */
    code: string;
    kind: "tool" | "prompt" | "resource" | "resource_template";
    hash: string;
    era: "handshake" | "stateless";
    seq: Generated<string>;
    created_at: Date;
  };
  grants: {
    organization: string;
    server: string;
    principal: string;
    role: "viewer" | "user" | "editor" | "admin";
    created_at: At;
  };
  uploads: {
    organization: string;
    id: string;
    blob: string;
    size_bytes: Big;
    created_by: string;
    created_at: At;
  };
  builds: {
    organization: string;
    id: string;
    server: string;
    status: "queued" | "building" | "succeeded" | "failed" | "canceled";
    source: Json<StoredSource>;
    entrypoint: string | null;
    dependency_file: string | null;
    ref: string | null;
    commit: string | null;
    subject: string | null;
    artifact: string | null;
    /** Of what the build is; null until its ref is known. */
    scope: string | null;
    error: NullableJson<StoredBuildError>;
    attempts: Generated<number>;
    /** Taken when the build starts; null: the server has none. */
    variable_set: string | null;
    warnings: ColumnType<string[], string | undefined, string>;
    requested_by: string;
    created_at: At;
    started_at: When;
    finished_at: When;
  };
  build_steps: {
    organization: string;
    build: string;
    step: string;
    position: number;
    status: "running" | "succeeded" | "failed";
    reused: Generated<boolean>;
    started_at: Date;
    duration_ms: number | null;
  };
  build_lines: {
    organization: string;
    build: string;
    seq: Big;
    at: Date;
    step: string;
    stream: string;
    text: string;
  };
  artifacts: { organization: string; digest: string; detail: Json<object>; created_at: At };
  manifests: {
    organization: string;
    server: string;
    artifact: string;
    scope: string;
    manifest: Json<object>;
    created_at: At;
  };
  deployments: {
    organization: string;
    id: string;
    server: string;
    slug: string;
    scope: "production" | "preview";
    branch: string | null;
    artifact: string;
    build: string;
    variable_set: string | null;
    updated_at: At;
  };
  variable_sets: {
    organization: string;
    id: string;
    seq: Generated<string>;
    server: string;
    scope: "production" | "preview";
    created_by: string;
    created_at: At;
  };
  variables: {
    organization: string;
    variable_set: string;
    name: string;
    sealed: Buffer;
    updated_by: string;
    updated_at: Date;
  };
  selections: {
    organization: string;
    deployment: string;
    seq: Generated<string>;
    artifact: string;
    build: string;
    reason: "deploy" | "promotion" | "rollback";
    actor: string;
    at: At;
  };
  allowed_hosts: { organization: string; host: string; port: number; created_by: string; created_at: At };
  sessions: {
    organization: string;
    id: string;
    server: string;
    /** The deployment's id. */
    endpoint: string;
    /** The deployment's slug. */
    deployment: string;
    kind: "handshake" | "virtual";
    principal: string;
    client_name: string | null;
    client_version: string | null;
    revision: string;
    created_at: Date;
    last_seen_at: Date;
    expires_at: Date;
    ended_at: When;
    log_level: string | null;
    upstream: string | null;
    /** URIs. */
    subscriptions: string[] | null;
  };
  sign_in_links: {
    organization: string;
    id: string;
    user: string;
    key: string;
    hash: string;
    created_at: Date;
    expires_at: Date;
    used_at: When;
  };
  web_sessions: {
    organization: string;
    id: string;
    user: string;
    key: string;
    hash: string;
    created_at: Date;
    last_seen_at: Date;
    expires_at: Date;
    ended_at: When;
  };
  idempotency: {
    organization: string;
    principal: string;
    key: string;
    request: string;
    status: number | null;
    body: NullableJson<unknown>;
    created_at: At;
  };
  changes: {
    id: Generated<string>;
    xid: Generated<string>;
    organization: string | null;
    kind: ChangeKind;
    subject: string;
    at: At;
  };
  audit: {
    organization: string;
    seq: Big;
    at: Date;
    actor: Json<object>;
    action: string;
    subject: string;
    detail: Json<object>;
    previous: string;
    hash: string;
  };
  audit_heads: { organization: string; seq: Big; hash: string };
  audit_checkpoints: {
    organization: string;
    seq: Big;
    hash: string;
    key: string;
    signature: string;
    at: Date;
  };
  processes: {
    id: string;
    lock: Big;
    workers: Generated<string[]>;
    started_at: At;
    ended_at: When;
    killed: Generated<boolean>;
  };
  requests: RequestRow;
  server_lines: {
    organization: string;
    server: string;
    id: string;
    at: Date;
    artifact: string;
    scope: string;
    instance: string;
    stream: string;
    text: string;
    request: string | null;
  };
}

export type ChangeKind = "organization" | "principal" | "key" | "server" | "session";

/** Where a build's source comes from, as it was asked for. */
export type StoredSource =
  | { kind: "git"; url: string; ref: string | null }
  | { kind: "upload"; upload: string; commit: string; ref: string | null; name: string };

export interface StoredBuildError {
  step: string;
  code: string;
  message: string;
  traceback: string | null;
  hint: string | null;
  /** Environment variables that the code needs and does not have. */
  missing?: readonly string[];
}

interface RequestRow {
  id: string;
  at: Date;
  organization: string | null;
  server: string | null;
  deployment: string | null;
  artifact: string | null;
  scope: string | null;
  era: string | null;
  protocol_version: string | null;
  transport: string;
  http_method: string;
  method: string | null;
  capability_kind: string | null;
  capability_name: string | null;
  capability_hash: string | null;
  principal_kind: string | null;
  principal: string | null;
  agent: string | null;
  client_name: string | null;
  client_version: string | null;
  auth_kind: string;
  key: string | null;
  session: string | null;
  ip: string | null;
  decision: string | null;
  because: string | null;
  policy: string | null;
  policy_version: number | null;
  approval: string | null;
  credential: string | null;
  boundary: string | null;
  upstream: string | null;
  instance: string | null;
  http_status: number;
  jsonrpc_code: number | null;
  is_error: boolean;
  error: string | null;
  error_type: string | null;
  outcome: string;
  retry_of: string | null;
  arguments: NullableJson<unknown>;
  result: NullableJson<unknown>;
  request_bytes: Big;
  response_bytes: Big;
  stream_events: number;
  t_auth: number;
  t_policy: number;
  t_cold: number;
  t_upstream: number;
  t_total: number;
  trace: string | null;
  span: string | null;
  written_at: Date | null;
}
