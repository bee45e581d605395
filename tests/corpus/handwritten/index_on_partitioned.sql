-- expect: round-trip
-- setup: store.sql
create index events_kind on events (kind, at);
