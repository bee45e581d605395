-- expect: round-trip
-- setup: store.sql
create view big_open_orders as select * from open_orders where total > 50;
create view biggest as select max(total) as total from big_open_orders;
comment on view biggest is 'of the open ones';
