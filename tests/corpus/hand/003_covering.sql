-- expect: round-trip
-- setup: shop.sql
create unique index orders_cover on orders (customer_id, id) include (total, state) with (fillfactor = 90);
