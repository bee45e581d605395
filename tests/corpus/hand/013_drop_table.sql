-- expect: irreversible: rows
-- setup: shop.sql
drop table order_items;
