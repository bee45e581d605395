-- expect: round-trip
-- setup: shop.sql
-- Running upgrade a -> b

CREATE INDEX CONCURRENTLY ix_orders_total ON orders (total);

DROP INDEX CONCURRENTLY orders_customer_id_idx;

CREATE INDEX CONCURRENTLY ix_orders_customer_total ON orders (customer_id, total);
