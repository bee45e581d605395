-- expect: round-trip
create table countries (code char(2) primary key, name text not null);
insert into countries values ('DE', 'Germany'), ('FR', 'France'), ('PL', 'Poland');
update countries set name = upper(name) where code = 'PL';
create index countries_name on countries (name);
