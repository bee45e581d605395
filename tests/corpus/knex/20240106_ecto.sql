-- expect: round-trip
CREATE TABLE "weather" ("id" bigserial, "city" varchar(40), "temp_lo" integer, "temp_hi" integer, "inserted_at" timestamp(0) NOT NULL, PRIMARY KEY ("id"));
CREATE UNIQUE INDEX "weather_city_index" ON "weather" ("city");
COMMENT ON TABLE "weather" IS 'by the hour';
