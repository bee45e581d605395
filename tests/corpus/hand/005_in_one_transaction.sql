-- expect: round-trip
-- setup: shop.sql
BEGIN;
CREATE TABLE coupons (code text PRIMARY KEY, percent int NOT NULL CHECK (percent BETWEEN 1 AND 100), used boolean NOT NULL DEFAULT false);
CREATE INDEX coupons_unused ON coupons (code) WHERE NOT used;
ALTER TABLE orders ADD COLUMN coupon text;
COMMIT;
