-- expect: round-trip
-- setup: shop.sql
alter table orders alter column total set not null;
alter table customers alter column created_at drop not null;
