-- expect: round-trip
-- setup: rails.sql
COMMENT ON COLUMN "users"."email" IS 'login, lower case';
COMMENT ON TABLE "posts" IS NULL;
