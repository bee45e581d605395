-- expect: round-trip
-- setup: shop.sql
alter table products drop constraint products_price_check;
alter table products add constraint products_price_check check (price > 0) not valid;
