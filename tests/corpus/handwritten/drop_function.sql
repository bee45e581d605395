-- expect: round-trip
-- setup: store.sql
drop function if exists full_price(integer);
