-- expect: round-trip
-- setup: shop.sql
create table log (id int not null, line text);
alter table log alter column id add generated always as identity;
