-- expect: round-trip
-- setup: store.sql
BEGIN;

-- Loyalty programme
CREATE TABLE loyalty (
    customer_id bigint PRIMARY KEY REFERENCES customers (id),
    points integer NOT NULL DEFAULT 0
);
CREATE INDEX loyalty_points ON loyalty (points);
INSERT INTO loyalty SELECT id, 10 FROM customers;
ALTER TABLE loyalty ADD COLUMN level text DEFAULT 'basic';

COMMIT;
