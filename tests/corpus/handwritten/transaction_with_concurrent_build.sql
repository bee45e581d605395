-- expect: round-trip
-- setup: store.sql
begin;
alter table orders add column channel text;
create index orders_channel on orders (channel);
commit;
