-- expect: round-trip
-- setup: store.sql
create rule no_delete as on delete to audit_log do instead nothing;
