-- expect: round-trip
-- setup: store.sql
refresh materialized view concurrently totals;
