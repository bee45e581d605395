-- expect: irreversible: adds rows
-- setup: store.sql
insert into products values ('sku-99', 'New', 990, null);
