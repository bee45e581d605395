-- expect: round-trip
-- setup: shop.sql
drop trigger orders_touch on orders;
drop function touch();
