-- expect: round-trip
-- setup: shop.sql
BEGIN;

ALTER TABLE products DROP CONSTRAINT products_sku_key;

ALTER TABLE products ADD CONSTRAINT uq_products_sku_title UNIQUE (sku, title);

COMMIT;
