-- expect: irreversible: rows
-- setup: shop.sql
-- Revert flipr:items from pg

BEGIN;

DROP TABLE order_items;

COMMIT;
