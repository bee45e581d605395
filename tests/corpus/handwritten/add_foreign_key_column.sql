-- expect: round-trip
-- setup: store.sql
alter table products add column first_buyer bigint references customers (id) on delete set null;
