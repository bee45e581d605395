-- expect: round-trip
-- setup: shop.sql
create sequence order_no as integer start with 5000 increment by 5 owned by orders.id;
alter table orders add column no integer default nextval('order_no');
