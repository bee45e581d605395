-- expect: round-trip
-- setup: rails.sql
CREATE TABLE "posts_users" ("post_id" bigint NOT NULL, "user_id" bigint NOT NULL);
CREATE INDEX "index_posts_users_on_post_id_and_user_id" ON "posts_users" ("post_id", "user_id");
CREATE INDEX "index_posts_users_on_user_id_and_post_id" ON "posts_users" ("user_id", "post_id");
