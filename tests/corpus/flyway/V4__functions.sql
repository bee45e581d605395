-- expect: round-trip
-- setup: shop.sql
CREATE OR REPLACE FUNCTION gross(net NUMERIC, rate NUMERIC DEFAULT 0.19) RETURNS NUMERIC AS 'SELECT round(net * (1 + rate), 2)' LANGUAGE sql IMMUTABLE STRICT;
CREATE OR REPLACE PROCEDURE close_orders() LANGUAGE plpgsql AS $proc$
BEGIN
  UPDATE orders SET state = 'sent' WHERE state = 'paid';
END;
$proc$;
