-- expect: round-trip
-- setup: shop.sql
create type priority as enum ('low', 'normal', 'high');
alter table orders add column priority priority not null default 'normal';
create index orders_priority on orders (priority) where priority = 'high';
