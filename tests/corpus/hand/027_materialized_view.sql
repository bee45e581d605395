-- expect: round-trip
-- setup: shop.sql
create materialized view top_customers as select customer_id, count(*) as orders from orders group by customer_id with no data;
create unique index top_customers_id on top_customers (customer_id);
