-- expect: round-trip
-- setup: shop.sql
drop index if exists no_such_index;
drop view if exists no_such_view;
drop function if exists no_such_function(int);
alter table orders add column if not exists seen boolean;
