-- expect: refused: read by
-- setup: store.sql
alter table orders alter column status type varchar(40);
