-- expect: round-trip
-- setup: store.sql
create table scratchpad (id int primary key, v text);
create index scratchpad_v on scratchpad (v);
alter table orders add column seen boolean default false;
drop table scratchpad;
