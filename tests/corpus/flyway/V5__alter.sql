-- expect: round-trip
-- setup: shop.sql
ALTER TABLE orders ADD COLUMN IF NOT EXISTS warehouse SMALLINT NOT NULL DEFAULT 1, ADD COLUMN picked_at TIMESTAMPTZ;
ALTER TABLE orders ADD CONSTRAINT ck_warehouse CHECK (warehouse BETWEEN 1 AND 9);
