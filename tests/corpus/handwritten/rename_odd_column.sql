-- expect: round-trip
-- setup: store.sql
alter table products rename "Old Name" to "Größe × 2";
