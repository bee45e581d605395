-- expect: round-trip
-- setup: shop.sql
alter table products alter column sku type varchar(80);
