-- expect: round-trip
-- setup: shop.sql
alter table orders disable trigger orders_touch;
