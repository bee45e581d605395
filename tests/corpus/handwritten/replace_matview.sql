-- expect: round-trip
-- setup: store.sql
drop materialized view if exists totals;
create materialized view totals as select customer_id, count(*) as orders, sum(total) as total from orders group by customer_id;
create unique index totals_customer on totals (customer_id);
