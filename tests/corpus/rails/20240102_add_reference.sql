-- expect: round-trip
-- setup: rails.sql
ALTER TABLE "posts" ADD "author_id" bigint;
CREATE INDEX "index_posts_on_author_id" ON "posts" ("author_id");
ALTER TABLE "posts" ADD CONSTRAINT "fk_rails_c7c0a4a5f1" FOREIGN KEY ("author_id") REFERENCES "users" ("id");
