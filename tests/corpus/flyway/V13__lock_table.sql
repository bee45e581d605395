-- expect: round-trip
-- setup: shop.sql
LOCK TABLE orders IN EXCLUSIVE MODE;
