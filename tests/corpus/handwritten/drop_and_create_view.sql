-- expect: round-trip
-- setup: store.sql
drop view if exists open_orders;
create view open_orders with (security_barrier) as select id, total from orders where status = 'new';
grant select on open_orders to public;
