-- expect: irreversible: rows
-- setup: shop.sql
create table order_items_new (like order_items including all);
alter table order_items_new add column price numeric(10, 2);
drop table order_items;
alter table order_items_new rename to order_items;
