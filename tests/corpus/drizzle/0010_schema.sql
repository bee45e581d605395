-- expect: round-trip
CREATE SCHEMA "my_schema";
--> statement-breakpoint
CREATE TYPE "my_schema"."mood" AS ENUM('sad', 'ok');--> statement-breakpoint
CREATE TABLE "my_schema"."people" (
	"id" serial PRIMARY KEY NOT NULL,
	"mood" "my_schema"."mood"
);
