-- What an owner fixes of a server.
alter table servers add column upstream_era text not null default 'auto'
  check (upstream_era in ('auto', 'handshake', 'stateless'));
alter table servers add column virtual_sessions boolean not null default false;

-- One row per session, written off the path of its requests. What a session id itself carries is sealed into it;
-- here is what changes while it lives. `upstream` is the sealed id under which an upstream knows it.
create table sessions (
  organization text not null references organizations,
  id text not null,
  server text not null,
  endpoint text not null,
  deployment text not null,
  kind text not null check (kind in ('handshake', 'virtual')),
  principal text not null,
  client_name text,
  client_version text,
  revision text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  log_level text,
  upstream text,
  -- URIs of the resources whose updates its client wants; null: none ever.
  subscriptions text[],
  primary key (organization, id)
);
create index on sessions (organization, server, created_at desc, id desc);
create index on sessions (expires_at);

-- The ended ones were all that was kept; of no server, they are on no list.
insert into sessions (organization, id, server, endpoint, deployment, kind, principal, revision, created_at,
    last_seen_at, expires_at, ended_at)
  select organization, id, '', '', '', 'handshake', '', '', now(), now(), expires_at, now()
  from ended_sessions;
drop table ended_sessions;
