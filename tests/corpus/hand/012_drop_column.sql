-- expect: irreversible: column
-- setup: shop.sql
alter table orders drop column note;
