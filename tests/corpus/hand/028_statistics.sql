-- expect: round-trip
-- setup: shop.sql
create statistics orders_customer_state (dependencies, ndistinct) on customer_id, state from orders;
alter table orders alter column customer_id set statistics 500;
