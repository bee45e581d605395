-- expect: round-trip
-- setup: rails.sql
ALTER TABLE "users" ADD "time_zone" character varying DEFAULT 'UTC' NOT NULL;
ALTER TABLE "users" ADD "settings" jsonb DEFAULT '{}' NOT NULL;
