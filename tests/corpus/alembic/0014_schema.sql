-- expect: round-trip
BEGIN;

CREATE SCHEMA reporting;

CREATE TABLE reporting.daily (
    day DATE NOT NULL, 
    revenue NUMERIC(14, 2) DEFAULT '0' NOT NULL, 
    PRIMARY KEY (day)
);

CREATE INDEX ix_reporting_daily_revenue ON reporting.daily (revenue);

COMMIT;
