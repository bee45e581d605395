-- expect: round-trip
-- setup: store.sql
set statement_timeout = 0;
set lock_timeout = '5s';
set client_encoding = 'UTF8';
create index orders_total_idx on orders (total);
