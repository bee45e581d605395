-- expect: round-trip
-- setup: shop.sql
-- AlterTable
ALTER TABLE "customers" ALTER COLUMN "country" SET NOT NULL,
ALTER COLUMN "country" SET DEFAULT 'XX';
