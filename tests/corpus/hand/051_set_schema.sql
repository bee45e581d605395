-- expect: round-trip
-- setup: shop.sql
create schema archive;
alter table order_items set schema archive;
