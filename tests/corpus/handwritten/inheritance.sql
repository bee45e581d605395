-- expect: round-trip
-- setup: store.sql
create table people (name text not null, born date);
create table clerks (desk integer unique) inherits (people);
