-- expect: round-trip
-- setup: shop.sql
alter table products add column updated_at timestamptz;
create function set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := clock_timestamp();
  return new;
end
$$;
create trigger products_updated before update on products for each row when (old.* is distinct from new.*) execute function set_updated_at();
