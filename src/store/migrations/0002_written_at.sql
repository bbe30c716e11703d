-- A record's time is when its request began, which may be long before it is written:
-- who follows the records reads them in the order in which they were written.
alter table requests add column written_at timestamptz;
create index on requests (organization, server, written_at, id);
