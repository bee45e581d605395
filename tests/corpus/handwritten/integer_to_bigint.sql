-- expect: refused: read by
-- setup: store.sql
alter table orders alter column total type bigint;
