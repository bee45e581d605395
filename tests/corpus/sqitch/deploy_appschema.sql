-- expect: round-trip
-- Deploy flipr:appschema to pg

BEGIN;

CREATE SCHEMA flipr;
COMMENT ON SCHEMA flipr IS 'of the app';

COMMIT;
