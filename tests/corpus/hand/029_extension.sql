-- expect: round-trip
-- setup: shop.sql
create extension if not exists pg_trgm;
create index customers_name_trgm on customers using gin (name gin_trgm_ops);
