-- expect: round-trip
-- setup: shop.sql
alter table orders alter column state set default 'paid';
alter table customers alter column country drop default;
alter table products alter column price set default 0;
