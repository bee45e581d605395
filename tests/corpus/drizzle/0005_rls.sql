-- expect: round-trip
-- setup: shop.sql
ALTER TABLE "orders" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "orders_read" ON "orders" AS PERMISSIVE FOR SELECT TO public USING (true);
