-- expect: round-trip
-- setup: store.sql
alter table audit_log set schema archive;
create index archived_at on archive.audit_log (at);
