-- expect: irreversible: rows
-- setup: shop.sql
DROP TABLE IF EXISTS order_items;
