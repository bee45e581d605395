-- expect: irreversible: brings their rows back
-- setup: shop.sql
TRUNCATE TABLE order_items RESTART IDENTITY CASCADE;
