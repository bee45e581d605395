-- expect: round-trip
-- setup: rails.sql
ALTER TABLE "posts" RENAME TO "articles";
ALTER SEQUENCE "posts_id_seq" RENAME TO "articles_id_seq";
ALTER INDEX "posts_pkey" RENAME TO "articles_pkey";
