-- expect: round-trip
-- setup: store.sql
alter table orders enable row level security;
alter table orders force row level security;
create policy read_all on orders for select using (true);
create policy write_own on orders for all using (customer_id = 1) with check (total < 1000);
drop policy own_row on customers;
