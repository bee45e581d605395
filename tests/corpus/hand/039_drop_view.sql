-- expect: round-trip
-- setup: shop.sql
drop view open_orders;
create view open_orders as select id, total from orders where state = 'new';
