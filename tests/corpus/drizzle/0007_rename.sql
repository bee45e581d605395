-- expect: round-trip
-- setup: shop.sql
ALTER TABLE "orders" RENAME COLUMN "note" TO "message";--> statement-breakpoint
ALTER TABLE "orders" RENAME CONSTRAINT "orders_customer_id_fkey" TO "orders_customer_id_customers_id_fk";
