-- In which eras a capability was called and refused that, as it needs the other one. `code` is the artifact of a hosted
-- server, the endpoint of an external one; the hash is that of the capability's definition, its name included. Of a
-- server the newest ones are kept: those of an artifact that does not serve now are met again by a rollback.
create table era_refusals (
  organization text not null,
  server text not null,
  code text not null,
  kind text not null check (kind in ('tool', 'prompt', 'resource', 'resource_template')),
  hash text not null,
  era text not null check (era in ('handshake', 'stateless')),
  seq bigint generated always as identity,
  created_at timestamptz not null,
  primary key (organization, server, code, kind, hash, era),
  foreign key (organization, server) references servers on delete cascade
);
create index on era_refusals (organization, server, seq desc);
