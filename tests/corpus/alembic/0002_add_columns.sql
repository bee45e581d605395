-- expect: round-trip
-- setup: shop.sql
BEGIN;

-- Running upgrade 1975ea83b712 -> ae1027a6acf

ALTER TABLE customers ADD COLUMN last_login TIMESTAMP WITHOUT TIME ZONE;

ALTER TABLE customers ADD COLUMN is_active BOOLEAN DEFAULT true NOT NULL;

CREATE INDEX ix_customers_last_login ON customers (last_login);

COMMIT;
