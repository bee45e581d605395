-- expect: round-trip
-- setup: shop.sql
BEGIN;

CREATE TABLE audit_log (
    id BIGSERIAL NOT NULL, 
    actor VARCHAR(64), 
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    PRIMARY KEY (id)
);

COMMENT ON TABLE audit_log IS 'who did what';

COMMENT ON COLUMN audit_log.actor IS 'user''s login';

CREATE INDEX ix_audit_log_at ON audit_log (at);

COMMIT;
