-- expect: refused: fires orders_touch on public.orders
-- setup: store.sql
update orders set total = 0 where total is null;
