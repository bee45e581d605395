-- expect: round-trip
-- setup: shop.sql
drop function order_size(bigint);
