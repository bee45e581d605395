-- expect: irreversible: adds rows
-- setup: shop.sql
insert into products (sku, title, price) values ('sku-new', 'New', 1);
