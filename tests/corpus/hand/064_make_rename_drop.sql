-- expect: round-trip
create table stage_one (id int primary key, v text);
create index stage_one_v on stage_one (v);
alter table stage_one rename to stage_two;
alter table stage_two add column w text;
create table scratch (id int);
drop table scratch;
