-- expect: round-trip
-- setup: store.sql
alter table order_lines drop constraint order_lines_sku_fkey;
alter table order_lines add constraint order_lines_sku_fkey foreign key (sku) references products (sku) on delete cascade;
