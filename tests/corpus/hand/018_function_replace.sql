-- expect: round-trip
-- setup: shop.sql
create or replace function order_size(bigint) returns bigint language sql stable parallel safe as $$
  select coalesce(sum(quantity), 0) from order_items where order_id = $1
$$;
comment on function order_size(bigint) is 'pieces, not lines';
