-- expect: round-trip
-- setup: store.sql
create role corpus_owner nologin;
alter table audit_log owner to corpus_owner;
alter view open_orders owner to corpus_owner;
