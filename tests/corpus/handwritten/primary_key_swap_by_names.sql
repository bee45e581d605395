-- expect: round-trip
-- setup: store.sql
-- the old column keeps the name of its NOT NULL (from 18 on), which the new one would get
alter table audit_log add column id_new bigint;
update audit_log set id_new = id;
alter table audit_log drop constraint audit_log_pkey;
alter table audit_log rename column id to id_old;
alter table audit_log rename column id_new to id;
alter table audit_log add primary key (id);
