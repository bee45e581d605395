-- expect: round-trip
create type money_amount as (amount numeric(12, 2), currency char(3));
create table prices (sku text primary key, price money_amount not null);
