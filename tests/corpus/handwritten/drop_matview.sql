-- expect: round-trip
-- setup: store.sql
drop materialized view totals;
