-- expect: round-trip
-- setup: shop.sql
alter sequence invoice_no increment by 10 cache 5;
