-- expect: round-trip
-- setup: store.sql
alter table orders rename column note to remark;
