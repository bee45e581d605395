-- expect: round-trip
-- setup: shop.sql
-- RenameIndex
ALTER INDEX "orders_customer_id_idx" RENAME TO "orders_customerId_idx";

-- RenameForeignKey
ALTER TABLE "orders" RENAME CONSTRAINT "orders_customer_id_fkey" TO "orders_customerId_fkey";
