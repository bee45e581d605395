-- expect: refused: rewrite
-- setup: shop.sql
alter table customers add column search tsvector generated always as (to_tsvector('simple', coalesce(name, '') || ' ' || email)) stored;
create index customers_search on customers using gin (search);
