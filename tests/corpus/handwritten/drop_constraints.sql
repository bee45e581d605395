-- expect: round-trip
-- setup: store.sql
alter table orders drop constraint total_positive;
alter table order_lines drop constraint order_lines_sku_fkey;
