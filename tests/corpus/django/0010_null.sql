-- expect: round-trip
-- setup: django.sql
BEGIN;
ALTER TABLE "blog_post" ALTER COLUMN "body" DROP NOT NULL;
COMMIT;
