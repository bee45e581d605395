-- expect: refused: rewrite
-- setup: store.sql
alter table products alter column price type text using price::text || ' ct';
