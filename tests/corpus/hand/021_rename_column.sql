-- expect: round-trip
-- setup: shop.sql
alter table orders rename column note to remark;
comment on column orders.remark is 'was called note';
