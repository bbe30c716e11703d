-- How many sessions one principal has at one server is counted and bounded.
create index on sessions (organization, server, principal);
