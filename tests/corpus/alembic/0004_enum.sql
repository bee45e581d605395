-- expect: round-trip
-- setup: shop.sql
BEGIN;

CREATE TYPE payment_method AS ENUM ('card', 'transfer', 'invoice');

ALTER TABLE orders ADD COLUMN payment payment_method DEFAULT 'card' NOT NULL;

COMMIT;
