-- expect: irreversible: rows
-- setup: shop.sql
drop table if exists was_never_there;
create table now_there (id int primary key);
