-- expect: round-trip
-- setup: store.sql
alter table orders alter column status set default 'received', alter column total drop default;
alter table customers alter column created_at set default clock_timestamp();
