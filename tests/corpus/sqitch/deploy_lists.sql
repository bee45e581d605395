-- expect: round-trip
-- Deploy flipr:lists to pg
-- setup: shop.sql

BEGIN;

CREATE TABLE lists (
    customer_id bigint NOT NULL REFERENCES customers (id),
    name text NOT NULL,
    PRIMARY KEY (customer_id, name)
);
CREATE INDEX lists_name ON lists (name text_pattern_ops);
GRANT SELECT, INSERT ON lists TO corpus_writer;

COMMIT;
