-- The file that says what the code needs, where whoever deploys named one.
alter table builds add column dependency_file text;
