-- Everything below an organization carries the organization's id in its key.

create table organizations (
  id text primary key,
  slug text not null unique,
  name text not null,
  created_at timestamptz not null default now()
);

create table users (
  id text primary key,
  email text not null unique,
  name text not null,
  created_at timestamptz not null default now()
);

create table memberships (
  organization text not null references organizations,
  "user" text not null references users,
  role text not null check (role in ('owner', 'admin', 'member')),
  created_at timestamptz not null default now(),
  primary key (organization, "user")
);

create table service_accounts (
  organization text not null references organizations,
  id text not null,
  slug text not null,
  role text not null check (role in ('admin', 'member')),
  created_at timestamptz not null default now(),
  primary key (organization, id),
  unique (organization, slug)
);

create table keys (
  organization text not null references organizations,
  id text not null,
  principal text not null,
  hash text not null unique,
  prefix text not null,
  label text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (organization, id)
);

create table servers (
  organization text not null references organizations,
  id text not null,
  slug text not null,
  kind text not null check (kind in ('hosted', 'external', 'remix')),
  owner text not null,
  description text not null default '',
  default_branch text,
  created_at timestamptz not null default now(),
  primary key (organization, id),
  unique (organization, slug)
);

create table grants (
  organization text not null,
  server text not null,
  principal text not null,
  role text not null check (role in ('viewer', 'user', 'editor', 'admin')),
  created_at timestamptz not null default now(),
  primary key (organization, server, principal),
  foreign key (organization, server) references servers
);

create table uploads (
  organization text not null references organizations,
  id text not null,
  blob text not null,
  size_bytes bigint not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (organization, id)
);

create table builds (
  organization text not null,
  id text not null,
  server text not null,
  status text not null check (status in ('queued', 'building', 'succeeded', 'failed', 'canceled')),
  source jsonb not null,
  entrypoint text,
  ref text,
  commit text,
  subject text,
  artifact text,
  error jsonb,
  attempts integer not null default 0,
  requested_by text not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  primary key (organization, id),
  foreign key (organization, server) references servers
);
create index on builds (organization, server, id desc);

create table build_steps (
  organization text not null,
  build text not null,
  step text not null,
  position smallint not null,
  status text not null check (status in ('running', 'succeeded', 'failed')),
  reused boolean not null default false,
  started_at timestamptz not null,
  duration_ms double precision,
  primary key (organization, build, step),
  foreign key (organization, build) references builds
);

create table build_lines (
  organization text not null,
  build text not null,
  seq bigint not null,
  at timestamptz not null,
  step text not null,
  stream text not null,
  text text not null,
  primary key (organization, build, seq),
  foreign key (organization, build) references builds
);

create table artifacts (
  organization text not null references organizations,
  digest text not null,
  detail jsonb not null,
  created_at timestamptz not null default now(),
  primary key (organization, digest)
);

create table manifests (
  organization text not null,
  artifact text not null,
  scope text not null,
  manifest jsonb not null,
  created_at timestamptz not null default now(),
  primary key (organization, artifact, scope),
  foreign key (organization, artifact) references artifacts
);

create table deployments (
  organization text not null,
  id text not null,
  server text not null,
  slug text not null,
  scope text not null check (scope in ('production', 'preview')),
  branch text,
  artifact text not null,
  build text not null,
  updated_at timestamptz not null default now(),
  primary key (organization, id),
  unique (organization, server, slug),
  foreign key (organization, server) references servers,
  foreign key (organization, artifact) references artifacts,
  foreign key (organization, build) references builds
);

-- Every move of a deployment's pointer, newest last.
create table selections (
  organization text not null,
  deployment text not null,
  seq bigint generated always as identity,
  artifact text not null,
  build text not null,
  reason text not null check (reason in ('deploy', 'promotion', 'rollback')),
  actor text not null,
  at timestamptz not null default now(),
  primary key (organization, deployment, seq),
  foreign key (organization, deployment) references deployments
);

create table allowed_hosts (
  organization text not null references organizations,
  host text not null,
  port integer not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (organization, host, port)
);

create table ended_sessions (
  organization text not null,
  id text not null,
  expires_at timestamptz not null,
  primary key (organization, id)
);

create table idempotency (
  organization text not null,
  principal text not null,
  key text not null,
  request text not null,
  status integer,
  body jsonb,
  created_at timestamptz not null default now(),
  primary key (organization, principal, key)
);

-- The change log. `id` is given out before commit, so readers follow
-- transaction ids: what is below the oldest running transaction is final.
create table changes (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  organization text,
  kind text not null check (kind in ('organization', 'principal', 'key', 'server', 'session')),
  subject text not null,
  at timestamptz not null default now()
);
create index on changes (xid, id);

create table audit (
  organization text not null,
  seq bigint not null,
  at timestamptz not null,
  actor jsonb not null,
  action text not null,
  subject text not null,
  detail jsonb not null,
  previous text not null,
  hash text not null,
  primary key (organization, seq)
);

create table audit_heads (
  organization text primary key,
  seq bigint not null,
  hash text not null
);

create table audit_checkpoints (
  organization text not null,
  seq bigint not null,
  hash text not null,
  key text not null,
  signature text not null,
  at timestamptz not null,
  primary key (organization, seq)
);

create table processes (
  id text primary key,
  lock bigint not null,
  workers text[] not null default '{}',
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  killed boolean not null default false
);

create table requests (
  id text not null,
  at timestamptz not null,
  organization text,
  server text,
  deployment text,
  artifact text,
  scope text,
  era text,
  protocol_version text,
  transport text not null,
  http_method text not null,
  method text,
  capability_kind text,
  capability_name text,
  capability_hash text,
  principal_kind text,
  principal text,
  agent text,
  client_name text,
  client_version text,
  auth_kind text not null,
  key text,
  session text,
  ip text,
  decision text,
  because text,
  policy text,
  policy_version integer,
  approval text,
  credential text,
  boundary text,
  upstream text,
  instance text,
  http_status integer not null,
  jsonrpc_code integer,
  is_error boolean not null,
  error text,
  error_type text,
  outcome text not null,
  retry_of text,
  arguments jsonb,
  result jsonb,
  request_bytes bigint not null,
  response_bytes bigint not null,
  stream_events integer not null,
  t_auth double precision not null,
  t_policy double precision not null,
  t_cold double precision not null,
  t_upstream double precision not null,
  t_total double precision not null,
  trace text,
  span text,
  primary key (at, id)
) partition by range (at);
create index on requests (organization, server, at desc, id desc);

create table server_lines (
  organization text not null,
  server text not null,
  id text not null,
  at timestamptz not null,
  artifact text not null,
  scope text not null,
  instance text not null,
  stream text not null,
  text text not null,
  request text,
  primary key (at, id)
) partition by range (at);
create index on server_lines (organization, server, at desc, id desc);

create table requests_default partition of requests default;
create table server_lines_default partition of server_lines default;
