-- expect: round-trip
-- setup: django.sql
BEGIN;
ALTER TABLE "blog_post" ADD CONSTRAINT "blog_post_author_id_title_5c1f_uniq" UNIQUE ("author_id", "title");
COMMIT;
