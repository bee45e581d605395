-- expect: round-trip
-- setup: shop.sql
drop index if exists orders_customer_id_idx;
create index orders_customer_placed on orders (customer_id, placed_at);
