-- expect: irreversible: deletes rows
-- setup: store.sql
delete from audit_log where at < now() - interval '1 year';
