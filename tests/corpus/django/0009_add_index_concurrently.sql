-- expect: round-trip
-- setup: django.sql
--
-- Concurrently create index blog_post_created_idx
--
CREATE INDEX CONCURRENTLY "blog_post_created_idx" ON "blog_post" ("created");
