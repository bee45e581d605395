-- expect: round-trip
-- setup: store.sql
drop view open_orders;
