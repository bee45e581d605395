-- expect: round-trip
-- setup: shop.sql
BEGIN;

ALTER TABLE products RENAME title TO name;

ALTER TABLE products RENAME TO articles;

CREATE INDEX ix_articles_name ON articles (name);

COMMIT;
