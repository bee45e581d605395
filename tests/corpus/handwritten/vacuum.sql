-- expect: round-trip
-- setup: store.sql
vacuum (analyze) orders;
vacuum analyze customers;
