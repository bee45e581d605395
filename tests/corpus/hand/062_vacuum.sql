-- expect: round-trip
-- setup: shop.sql
create index orders_state on orders (state);
vacuum analyze orders;
