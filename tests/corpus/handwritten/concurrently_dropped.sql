-- expect: round-trip
-- setup: store.sql
drop index concurrently if exists orders_status_idx;
drop index if exists never_there;
