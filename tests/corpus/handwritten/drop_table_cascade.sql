-- expect: refused: depends on it
-- setup: store.sql
drop table customers cascade;
