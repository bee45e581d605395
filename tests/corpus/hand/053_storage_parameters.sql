-- expect: round-trip
-- setup: shop.sql
alter table orders set (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 85);
