-- expect: irreversible: values of
-- setup: shop.sql
ALTER TABLE "customers" DROP COLUMN "country";--> statement-breakpoint
DROP INDEX "orders_customer_id_idx";
