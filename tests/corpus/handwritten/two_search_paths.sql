-- expect: refused: search_path
-- setup: store.sql
set search_path = archive;
create table a (id int);
set search_path = public;
create table b (id int);
