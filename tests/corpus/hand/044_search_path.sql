-- expect: round-trip
-- setup: shop.sql
set search_path to public;
create table s (id int);
