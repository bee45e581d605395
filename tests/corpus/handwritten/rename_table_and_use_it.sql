-- expect: round-trip
-- setup: store.sql
alter table products rename to articles;
alter table articles add column weight integer;
create index articles_weight on articles (weight);
comment on table articles is 'formerly products';
