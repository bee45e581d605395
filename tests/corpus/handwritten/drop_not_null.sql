-- expect: round-trip
-- setup: store.sql
alter table products alter column title drop not null;
