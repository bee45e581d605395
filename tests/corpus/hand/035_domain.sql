-- expect: round-trip
-- setup: shop.sql
create domain email_address as text check (value ~ '^[^@]+@[^@]+$');
create table newsletter (address email_address primary key, since date not null default current_date);
