-- expect: round-trip
-- setup: shop.sql
create rule protect as on delete to customers do instead nothing;
