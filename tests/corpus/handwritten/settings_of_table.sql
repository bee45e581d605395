-- expect: round-trip
-- setup: store.sql
alter table orders set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
alter table products alter column title set storage external;
alter index orders_status_idx set (fillfactor = 70);
