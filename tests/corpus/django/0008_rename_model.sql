-- expect: round-trip
-- setup: django.sql
BEGIN;
ALTER TABLE "blog_tag" RENAME TO "blog_label";
ALTER TABLE "blog_post" RENAME COLUMN "created" TO "created_at";
COMMIT;
