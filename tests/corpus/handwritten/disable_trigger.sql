-- expect: round-trip
-- setup: store.sql
alter table orders disable trigger orders_touch;
