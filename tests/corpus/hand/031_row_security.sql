-- expect: round-trip
-- setup: shop.sql
alter table orders enable row level security;
alter table orders force row level security;
create policy own_orders on orders for select to corpus_reader using (customer_id = nullif(current_setting('app.customer', true), '')::bigint);
create policy write_own on orders for insert to corpus_reader with check (state = 'new');
