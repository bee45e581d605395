-- expect: round-trip
-- setup: shop.sql
create unique index concurrently products_title_uq on products (title);
alter table products add constraint products_title_key unique using index products_title_uq;
