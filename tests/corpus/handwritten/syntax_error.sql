-- expect: refused: syntax error
-- setup: store.sql
create index on orders (total;
