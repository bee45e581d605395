-- expect: round-trip
-- setup: shop.sql
alter table customers rename to clients;
create index clients_country on clients (country);
