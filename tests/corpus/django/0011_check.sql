-- expect: round-trip
-- setup: django.sql
BEGIN;
ALTER TABLE "blog_post" ADD COLUMN "rating" integer DEFAULT 0 NOT NULL CHECK ("rating" >= 0);
ALTER TABLE "blog_post" ALTER COLUMN "rating" DROP DEFAULT;
ALTER TABLE "blog_post" ADD CONSTRAINT "rating_lte_5" CHECK ("rating" <= 5);
COMMIT;
