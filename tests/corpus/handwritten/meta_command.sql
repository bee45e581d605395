-- expect: refused: meta-command
-- setup: store.sql
\set ON_ERROR_STOP on
create index a on orders (total);
