-- expect: round-trip
-- setup: rails.sql
UPDATE "posts" SET "title" = '' WHERE "title" IS NULL;
ALTER TABLE "posts" ALTER COLUMN "title" SET NOT NULL;
ALTER TABLE "posts" ALTER COLUMN "title" SET DEFAULT '';
