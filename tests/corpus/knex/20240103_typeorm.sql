-- expect: round-trip
CREATE TABLE "photo" ("id" SERIAL NOT NULL, "name" character varying(100) NOT NULL, "views" integer NOT NULL, CONSTRAINT "PK_723fa50bf70dcfd06fb5a44d4ff" PRIMARY KEY ("id"));
CREATE TABLE "photo_metadata" ("id" SERIAL NOT NULL, "photoId" integer, CONSTRAINT "REL_5c0d34aa7f8aa0ad59ee62ae5a" UNIQUE ("photoId"), CONSTRAINT "PK_x" PRIMARY KEY ("id"));
ALTER TABLE "photo_metadata" ADD CONSTRAINT "FK_5c0d34aa7f8aa0ad59ee62ae5a" FOREIGN KEY ("photoId") REFERENCES "photo"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;
