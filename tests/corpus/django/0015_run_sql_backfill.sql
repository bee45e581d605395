-- expect: round-trip
-- setup: django.sql
ALTER TABLE "blog_post" ADD COLUMN "word_count" integer NULL;
UPDATE blog_post SET word_count = array_length(regexp_split_to_array(body, '\s+'), 1) WHERE word_count IS NULL;
