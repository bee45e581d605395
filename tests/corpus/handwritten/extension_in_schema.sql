-- expect: round-trip
-- setup: store.sql
create schema extensions;
create extension citext with schema extensions;
