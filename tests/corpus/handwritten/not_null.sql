-- expect: round-trip
-- setup: store.sql
alter table products alter column price set not null;
alter table orders alter customer_id set not null;
