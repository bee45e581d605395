-- expect: round-trip
-- setup: shop.sql
alter table orders add column currency char(3);
update orders set currency = 'EUR' where currency is null;
alter table orders alter column currency set not null;
