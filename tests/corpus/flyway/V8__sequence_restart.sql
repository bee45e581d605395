-- expect: irreversible: no known kind
-- setup: shop.sql
ALTER SEQUENCE invoice_no RESTART WITH 7000;
