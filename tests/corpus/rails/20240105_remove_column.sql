-- expect: irreversible: column
-- setup: rails.sql
ALTER TABLE "users" DROP COLUMN "name";
