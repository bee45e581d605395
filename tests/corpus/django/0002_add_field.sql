-- expect: round-trip
-- setup: django.sql
BEGIN;
--
-- Add field slug to post
--
ALTER TABLE "blog_post" ADD COLUMN "slug" varchar(50) DEFAULT '' NOT NULL;
ALTER TABLE "blog_post" ALTER COLUMN "slug" DROP DEFAULT;
CREATE INDEX "blog_post_slug_b95473f2" ON "blog_post" ("slug");
CREATE INDEX "blog_post_slug_b95473f2_like" ON "blog_post" ("slug" varchar_pattern_ops);
COMMIT;
