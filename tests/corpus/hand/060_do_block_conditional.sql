-- expect: round-trip
-- setup: shop.sql
do $$ begin
  create type shipping as enum ('slow', 'fast');
exception when duplicate_object then null;
end $$;
alter table orders add column shipping shipping;
