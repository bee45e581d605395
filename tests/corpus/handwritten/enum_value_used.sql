-- expect: irreversible: enum
-- setup: store.sql
alter type mood add value 'none' before 'low';
alter table customers alter column mood set default 'none';
