-- expect: round-trip
-- setup: shop.sql
ALTER TABLE "customers" ADD COLUMN "bio" text;--> statement-breakpoint
ALTER TABLE "customers" ADD COLUMN "score" double precision DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "customers_lower_email_idx" ON "customers" USING btree (lower("email"));
