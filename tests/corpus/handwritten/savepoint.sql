-- expect: refused: transaction
-- setup: store.sql
begin;
savepoint a;
create table b (id int);
commit;
