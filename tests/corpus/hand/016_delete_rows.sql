-- expect: irreversible: deletes rows
-- setup: shop.sql
delete from orders where placed_at < now() - interval '10 years';
