-- expect: round-trip
-- setup: shop.sql
-- Revert flipr:order_size from pg

BEGIN;

DROP FUNCTION order_size(bigint);
DROP VIEW open_orders;
DROP TRIGGER orders_touch ON orders;

COMMIT;
