-- expect: round-trip
-- setup: shop.sql
ALTER TABLE orders DISABLE TRIGGER orders_touch;
ALTER TABLE orders ADD COLUMN imported BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE orders ENABLE TRIGGER orders_touch;
