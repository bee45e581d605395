-- expect: round-trip
-- setup: store.sql
create statistics if not exists customers_corr (ndistinct, mcv) on name, mood from customers;
drop statistics orders_stat;
alter table orders alter column status set statistics 500;
analyze orders;
