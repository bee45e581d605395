-- expect: irreversible: rows
-- setup: shop.sql
BEGIN;

-- Running downgrade 348a94c904eb -> 2792ed2d7978

DROP INDEX sales_customer;

DROP TABLE order_items;

COMMIT;
