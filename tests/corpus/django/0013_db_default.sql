-- expect: round-trip
-- setup: django.sql
BEGIN;
ALTER TABLE "blog_post" ALTER COLUMN "created" SET DEFAULT (STATEMENT_TIMESTAMP());
ALTER TABLE "auth_user" ADD COLUMN "uid" uuid DEFAULT (gen_random_uuid()) NOT NULL;
COMMIT;
