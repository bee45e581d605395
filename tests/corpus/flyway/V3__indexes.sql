-- expect: round-trip
-- setup: shop.sql
CREATE INDEX idx_order_state ON orders (state, placed_at);
CREATE INDEX idx_item_product ON order_items (product_id) INCLUDE (quantity);
