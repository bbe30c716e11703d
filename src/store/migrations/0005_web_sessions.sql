-- How people get to the pages: a one-time link, and the browser's session that it
-- opens. Of both, only hashes are kept. A session lives as long as the key that
-- made its link, and as its user is a member.

create table sign_in_links (
  organization text not null,
  id text not null,
  "user" text not null,
  key text not null,
  hash text not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (organization, id),
  foreign key (organization, "user") references memberships on delete cascade,
  foreign key (organization, key) references keys
);

create table web_sessions (
  organization text not null,
  id text not null,
  "user" text not null,
  key text not null,
  hash text not null unique,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  primary key (organization, id),
  foreign key (organization, "user") references memberships on delete cascade,
  foreign key (organization, key) references keys
);
create index on web_sessions (organization, "user");
