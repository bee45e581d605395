-- expect: refused: cuts off of a value
-- setup: shop.sql
-- AlterTable
ALTER TABLE "orders" ALTER COLUMN "total" SET DATA TYPE DECIMAL(8,0);
