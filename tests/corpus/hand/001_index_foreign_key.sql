-- expect: round-trip
-- setup: shop.sql
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_order_items_product ON order_items (product_id);
