-- expect: round-trip
-- setup: store.sql
DROP INDEX orders_status_idx, orders_note_lower;
