-- expect: irreversible: rows
-- setup: store.sql
truncate audit_log;
