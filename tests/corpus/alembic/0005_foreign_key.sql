-- expect: round-trip
-- setup: shop.sql
BEGIN;

ALTER TABLE products ADD COLUMN supplier_id BIGINT;

CREATE TABLE suppliers (
    id BIGSERIAL NOT NULL, 
    name VARCHAR NOT NULL, 
    PRIMARY KEY (id), 
    UNIQUE (name)
);

ALTER TABLE products ADD CONSTRAINT fk_products_supplier FOREIGN KEY(supplier_id) REFERENCES suppliers (id) ON DELETE SET NULL;

COMMIT;
