-- expect: round-trip
-- setup: shop.sql
-- Deploy flipr:order_size to pg

BEGIN;

CREATE OR REPLACE FUNCTION order_size(bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM order_items WHERE order_id = $1
$$;

COMMIT;
