-- expect: refused: no COMMIT ends
begin;
create table t (id int);
