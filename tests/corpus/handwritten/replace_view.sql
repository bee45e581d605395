-- expect: round-trip
-- setup: store.sql
create or replace view open_orders as
    select id, customer_id, total, note from orders where status in ('new', 'held');
