-- expect: refused: only BEGIN and COMMIT
-- setup: shop.sql
-- Verify flipr:users on pg

BEGIN;

SELECT id, email FROM customers WHERE FALSE;

ROLLBACK;
