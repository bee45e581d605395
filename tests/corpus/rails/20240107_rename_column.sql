-- expect: round-trip
-- setup: rails.sql
ALTER TABLE "posts" RENAME COLUMN "body" TO "content";
