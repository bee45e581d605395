-- expect: irreversible: brings their rows back
-- setup: shop.sql
truncate order_items;
