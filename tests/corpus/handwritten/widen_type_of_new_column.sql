-- expect: refused: rewrite
-- setup: store.sql
alter table events alter column kind set default 'seen';
alter table order_lines alter column quantity type bigint;
