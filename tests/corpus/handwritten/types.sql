-- expect: round-trip
-- setup: store.sql
create type priority as enum ('low', 'high');
create type address as (street text, city text);
create domain positive as integer check (value > 0);
create type span as range (subtype = integer);
create table deliveries (id serial primary key, urgency priority not null default 'low', target address, pieces positive, days span);
