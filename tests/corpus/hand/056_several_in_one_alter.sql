-- expect: round-trip
-- setup: shop.sql
alter table customers
  add column phone text,
  add column vip boolean not null default false,
  alter column country set not null,
  add constraint customers_phone_form check (phone is null or phone like '+%'),
  alter column name set default '';
