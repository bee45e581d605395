"""CREATE TABLE."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "two_that_refer_to_each_other_with_rows",
        ("create table o (id int primary key)", "insert into o select generate_series(1, 20)"),
        "create table a (id serial primary key, b int, o int references o on delete cascade, note text not null);\n"
        'create table if not exists "B ä" (id int primary key, a int unique references a, check (id > 0));\n'
        'alter table a add foreign key (b) references "B ä";\n'
        "create index on a (o);\n"
        "insert into a (id, o, note) values (1, 1, 'x'), (2, 2, 'y');\n"
        "alter table a add column more int not null default 3;\n",
        acknowledge="a",
    ),
    Case(
        "partitions_in_a_block",
        ("create table p (a int not null, b text) partition by list (a)", "create table rest partition of p default"),
        "begin;\n"
        "create table p1 partition of p (b default 'x') for values in (1);\n"
        "create table q (a int, at date not null, primary key (a, at)) partition by range (at);\n"
        "create table q1 partition of q for values from ('2024-01-01') to ('2025-01-01');\n"
        "create index on q (at);\n"
        "commit;\n",
    ),
)
