-- expect: round-trip
-- setup: store.sql
create type level as enum ('one');
alter type level add value 'two';
create table levels (l level default 'two');
