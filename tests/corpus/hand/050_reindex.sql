-- expect: round-trip
-- setup: shop.sql
reindex index concurrently orders_customer_id_idx;
