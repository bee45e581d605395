-- expect: round-trip
-- setup: store.sql
create table orders_shadow (like orders including all);
