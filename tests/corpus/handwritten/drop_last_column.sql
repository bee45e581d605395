-- expect: irreversible: values
-- setup: store.sql
alter table orders drop column if exists placed_on;
