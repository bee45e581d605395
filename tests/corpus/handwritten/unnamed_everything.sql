-- expect: round-trip
-- setup: store.sql
create table things (
    id int primary key,
    parent int references things,
    code text unique check (code <> ''),
    a int, b int,
    unique (a, b),
    check (a < b),
    foreign key (a) references things (id)
);
create index on things (a);
create index on things (lower(code));
create index on things (b, a desc);
