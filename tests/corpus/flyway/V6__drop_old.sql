-- expect: irreversible: values of
-- setup: shop.sql
ALTER TABLE products DROP COLUMN IF EXISTS meta, DROP COLUMN IF EXISTS never_there;
