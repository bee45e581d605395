-- expect: round-trip
-- setup: store.sql
set search_path = archive, public;
create table old_orders (id bigint primary key, said text);
create index old_said on old_orders (said);
