-- expect: round-trip
-- setup: store.sql
drop index if exists orders_status_idx;
create index orders_status_idx on orders (status, placed_on);
