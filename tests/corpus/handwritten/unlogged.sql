-- expect: round-trip
-- setup: store.sql
create unlogged table cache (key text primary key, value jsonb) with (fillfactor = 90);
