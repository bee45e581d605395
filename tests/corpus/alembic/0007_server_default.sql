-- expect: round-trip
-- setup: shop.sql
BEGIN;

ALTER TABLE customers ALTER COLUMN country DROP DEFAULT;

ALTER TABLE customers ALTER COLUMN country SET DEFAULT 'FR';

ALTER TABLE orders ALTER COLUMN total SET NOT NULL;

COMMIT;
