-- expect: round-trip
-- setup: rails.sql
ALTER TABLE "posts" ADD CONSTRAINT "chk_rails_title" CHECK (length(title) <= 200) NOT VALID;
ALTER TABLE "posts" VALIDATE CONSTRAINT "chk_rails_title";
