-- Where a server runs that is not hosted here, how it is let in there, and what it last said of itself. Its endpoint
-- changes with its URL, so that no session reaches another server than the one that opened it.
create table external_servers (
  organization text not null,
  server text not null,
  endpoint text not null unique,
  url text not null,
  credential text not null check (credential in ('none')),
  manifest jsonb not null,
  -- When it last said so, when it was last asked, and why that failed.
  refreshed_at timestamptz not null,
  checked_at timestamptz not null,
  problem text,
  primary key (organization, server),
  foreign key (organization, server) references servers
);
