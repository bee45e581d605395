-- expect: round-trip
-- setup: shop.sql
-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION histories_partition() RETURNS void AS $$
DECLARE x int := 1;
BEGIN
  PERFORM x;
END;
$$ LANGUAGE plpgsql;
-- +goose StatementEnd
CREATE TABLE histories (id BIGSERIAL PRIMARY KEY, current_value varchar(2000) NOT NULL, created_at timestamptz NOT NULL);
