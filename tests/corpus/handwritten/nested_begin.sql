-- expect: refused: transaction
-- setup: store.sql
begin;
begin;
create index a on orders (total);
commit;
