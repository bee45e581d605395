-- expect: round-trip
-- setup: store.sql
alter table events detach partition events_2025;
