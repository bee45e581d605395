-- expect: round-trip
-- setup: shop.sql
ALTER TABLE customers ADD COLUMN deleted boolean DEFAULT false NOT NULL;

DROP INDEX customers_email_key;
CREATE UNIQUE INDEX customers_email_key ON customers USING btree (email) WHERE deleted = false;
