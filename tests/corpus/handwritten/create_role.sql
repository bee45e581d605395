-- expect: round-trip
-- setup: store.sql
create role corpus_reporting nologin;
