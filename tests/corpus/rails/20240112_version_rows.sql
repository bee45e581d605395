-- expect: irreversible: adds rows
-- setup: rails.sql
CREATE TABLE "likes" ("id" bigserial primary key);
INSERT INTO "schema_migrations" (version) VALUES ('20240112') RETURNING "version";
