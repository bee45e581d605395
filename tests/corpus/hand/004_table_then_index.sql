-- expect: round-trip
-- setup: shop.sql
create table shipments (
  id bigint generated always as identity primary key,
  order_id bigint not null references orders (id),
  carrier text not null default 'post',
  sent_at timestamptz
);
create index on shipments (order_id);
create index shipments_open on shipments (carrier) where sent_at is null;
