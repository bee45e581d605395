-- expect: round-trip
-- setup: shop.sql
ALTER TABLE "products" ALTER COLUMN "sku" SET DATA TYPE varchar(120);
