-- expect: round-trip
-- setup: store.sql
alter table audit_log rename to journal;
