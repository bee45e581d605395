-- expect: round-trip
-- setup: store.sql
-- The old one stays aside, a new one takes its place.
alter table audit_log rename to audit_log_old;
create table audit_log (id bigint generated always as identity primary key, said text, by_whom text);
create index on audit_log (by_whom);
