-- expect: round-trip
-- setup: store.sql
reindex index concurrently orders_status_idx;
reindex table orders;
