-- expect: round-trip
-- setup: store.sql
create unique index products_title_once on products (title);
alter table products add constraint products_title_key unique using index products_title_once;
alter table products rename column title to name;
