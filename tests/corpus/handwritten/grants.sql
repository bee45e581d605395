-- expect: round-trip
-- setup: store.sql
grant select, insert (note) on orders to public;
revoke execute on function full_price(integer) from public;
grant usage on sequence ticket_seq to public;
