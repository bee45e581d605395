-- expect: round-trip
-- setup: shop.sql
alter table customers add column referred_by bigint references customers (id) on delete set null;
create index customers_referred_by on customers (referred_by);
