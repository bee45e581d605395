-- expect: round-trip
-- setup: store.sql
create table events_2027 partition of events for values from ('2027-01-01') to ('2028-01-01');
create index on events_2027 (kind);
create table events_rest (like events including defaults);
alter table events attach partition events_rest default;
