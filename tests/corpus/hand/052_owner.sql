-- expect: round-trip
-- setup: shop.sql
alter table orders owner to corpus_owner;
