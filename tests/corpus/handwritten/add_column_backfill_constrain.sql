-- expect: round-trip
-- setup: store.sql
-- The way every handbook shows it.
alter table orders add column region text;
update orders set region = case when customer_id % 2 = 0 then 'north' else 'south' end where region is null;
alter table orders alter column region set not null;
alter table orders add constraint region_known check (region in ('north', 'south'));
create index orders_region on orders (region);
