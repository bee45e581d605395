-- expect: round-trip
-- setup: shop.sql
-- migrate:up
create table shipments (id serial primary key, order_id bigint not null references orders (id));

-- migrate:down
drop table shipments;
