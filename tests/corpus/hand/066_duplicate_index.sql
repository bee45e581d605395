-- expect: round-trip
-- setup: shop.sql
create index orders_c1 on orders (customer_id);
create index orders_c2 on orders (customer_id);
