-- expect: refused: only BEGIN and COMMIT
begin;
create table t (id int);
rollback;
