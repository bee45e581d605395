-- expect: round-trip
-- setup: shop.sql
create or replace view open_orders as select id, customer_id, total, placed_at from orders where state = 'new';
