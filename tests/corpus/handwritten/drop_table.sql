-- expect: irreversible: rows
-- setup: store.sql
drop table audit_log;
