-- expect: round-trip
-- setup: shop.sql
CREATE OR REPLACE VIEW open_orders AS SELECT id, customer_id, total FROM orders WHERE state IN ('new', 'paid');
CREATE OR REPLACE VIEW big_orders AS SELECT * FROM open_orders WHERE total > 100 WITH CHECK OPTION;
