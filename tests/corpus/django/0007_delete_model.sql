-- expect: irreversible: rows
-- setup: django.sql
BEGIN;
DROP TABLE "blog_tag" CASCADE;
COMMIT;
