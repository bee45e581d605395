-- expect: round-trip
CREATE TABLE metrics (tenant INT NOT NULL, at DATE NOT NULL, value FLOAT8) PARTITION BY LIST (tenant);
CREATE TABLE metrics_1 PARTITION OF metrics FOR VALUES IN (1);
CREATE TABLE metrics_rest PARTITION OF metrics DEFAULT;
CREATE INDEX idx_metrics_at ON metrics (at);
