-- expect: round-trip
-- setup: shop.sql
-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE orders ADD COLUMN carrier TEXT;
-- +goose StatementBegin
CREATE INDEX CONCURRENTLY idx_orders_carrier ON orders (carrier) WHERE carrier IS NOT NULL;
-- +goose StatementEnd

-- +goose Down
DROP INDEX idx_orders_carrier;
ALTER TABLE orders DROP COLUMN carrier;
