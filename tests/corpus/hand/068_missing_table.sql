-- expect: refused: does not exist
-- setup: shop.sql
create index nope on no_such_table (id);
