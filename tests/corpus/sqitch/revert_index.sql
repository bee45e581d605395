-- expect: round-trip
-- setup: shop.sql
-- Revert flipr:orders_index from pg

BEGIN;

DROP INDEX orders_customer_id_idx;

COMMIT;
