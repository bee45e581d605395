-- expect: round-trip
-- setup: rails.sql
CREATE EXTENSION IF NOT EXISTS "hstore";
ALTER TABLE "users" ADD "extras" hstore DEFAULT '' NOT NULL;
CREATE INDEX "index_users_on_extras" ON "users" USING gin ("extras");
