-- expect: round-trip
-- setup: store.sql
do $$
begin
    if exists (select from orders where total < 0) then
        raise exception 'negative totals';
    end if;
end
$$;
create index orders_total on orders (total);
