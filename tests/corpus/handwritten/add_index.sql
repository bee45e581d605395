-- expect: round-trip
-- setup: store.sql
-- The dashboard filters by date.
CREATE INDEX orders_placed_on_idx ON orders (placed_on);
