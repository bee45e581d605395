-- expect: round-trip
-- setup: store.sql
-- audit_log.id is bigint already; it becomes one that others can hand out, under the old name
alter table audit_log add column id_new bigint;
update audit_log set id_new = id;
create unique index audit_log_id_new on audit_log (id_new);
begin;
alter table audit_log drop constraint audit_log_pkey;
alter table audit_log add constraint audit_log_pkey primary key using index audit_log_id_new;
alter table audit_log rename column id to id_old;
alter table audit_log rename column id_new to id;
commit;
