-- expect: round-trip
-- setup: django.sql
BEGIN;
CREATE EXTENSION IF NOT EXISTS "pg_trgm";
CREATE INDEX "post_title_trgm" ON "blog_post" USING gin (("title") gin_trgm_ops);
CREATE INDEX "post_upper_title" ON "blog_post" ((UPPER("title")));
COMMIT;
