-- expect: irreversible: products."Old Name"
-- setup: store.sql
alter table products drop column "Old Name";
