-- expect: refused: cuts off of a value
-- setup: rails.sql
ALTER TABLE "posts" ALTER COLUMN "title" TYPE character varying(60);
