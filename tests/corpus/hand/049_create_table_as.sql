-- expect: round-trip
-- setup: shop.sql
create table orders_2025 as select * from orders where placed_at < '2026-01-01';
alter table orders_2025 add primary key (id);
