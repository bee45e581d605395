-- expect: round-trip
-- setup: shop.sql
BEGIN;

ALTER TABLE order_items ADD CONSTRAINT ck_quantity_positive CHECK (quantity > 0);

ALTER TABLE customers ADD CONSTRAINT ck_email CHECK (email LIKE '%@%');

COMMIT;
