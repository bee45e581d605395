-- expect: round-trip
-- setup: store.sql
create table order_totals as select customer_id, sum(total) as total from orders group by customer_id;
alter table order_totals add primary key (customer_id);
