-- expect: round-trip
-- setup: django.sql
BEGIN;
SET CONSTRAINTS "blog_post_author_id_dd7a8485_fk_auth_user_id" IMMEDIATE;
ALTER TABLE "blog_post" DROP CONSTRAINT "blog_post_author_id_dd7a8485_fk_auth_user_id";
COMMIT;
