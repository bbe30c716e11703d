-- Immutable: each change of a server's variables makes a new set, and the newest of a scope is what its next
-- build takes.
create table variable_sets (
  organization text not null,
  id text not null,
  seq bigint generated always as identity,
  server text not null,
  scope text not null check (scope in ('production', 'preview')),
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (organization, id),
  foreign key (organization, server) references servers
);
create index on variable_sets (organization, server, scope, seq desc);

-- `sealed` is carried over from set to set while its value stays.
create table variables (
  organization text not null,
  variable_set text not null,
  name text not null,
  sealed bytea not null,
  updated_by text not null,
  updated_at timestamptz not null,
  primary key (organization, variable_set, name),
  foreign key (organization, variable_set) references variable_sets on delete cascade
);

alter table builds add column variable_set text;
-- What the build is of, decided once, when its ref is known.
alter table builds add column scope text check (scope in ('production', 'preview'));
update builds b set scope = d.scope
  from selections s
  join deployments d on d.organization = s.organization and d.id = s.deployment
  where s.organization = b.organization and s.build = b.id and s.reason = 'deploy';
alter table builds add column warnings jsonb not null default '[]';

alter table deployments add column variable_set text;
alter table deployments add foreign key (organization, variable_set) references variable_sets;

-- What the same artifact offers depends on the variables, and they are a server's own.
alter table manifests drop constraint manifests_pkey;
alter table manifests add column server text;
insert into manifests (organization, server, artifact, scope, manifest, created_at)
  select distinct on (m.organization, b.server, m.artifact, m.scope)
    m.organization, b.server, m.artifact, m.scope, m.manifest, m.created_at
  from manifests m
  join builds b on b.organization = m.organization and b.artifact = m.artifact
  where m.server is null;
delete from manifests where server is null;
alter table manifests alter column server set not null;
alter table manifests add primary key (organization, server, artifact, scope);
alter table manifests add foreign key (organization, server) references servers;
