-- expect: round-trip
-- setup: shop.sql
REFRESH MATERIALIZED VIEW sales;
