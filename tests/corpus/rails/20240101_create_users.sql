-- expect: round-trip
CREATE TABLE "users" ("id" bigserial primary key, "email" character varying NOT NULL, "admin" boolean DEFAULT FALSE NOT NULL, "created_at" timestamp(6) NOT NULL, "updated_at" timestamp(6) NOT NULL);
CREATE UNIQUE INDEX "index_users_on_email" ON "users" ("email");
