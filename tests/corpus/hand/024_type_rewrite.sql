-- expect: refused: rewrite
-- setup: shop.sql
alter table order_items alter column quantity type numeric(4, 0) using quantity::numeric(4, 0);
