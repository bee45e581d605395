-- expect: refused: cuts off of a value
-- setup: shop.sql
BEGIN;

ALTER TABLE customers ALTER COLUMN name TYPE VARCHAR(100);

COMMIT;
