"""DROP CONSTRAINT."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table o (id int primary key)",
    "insert into o select i from generate_series(1, 50) i",
    "create table t (id int constraint t_key primary key, a int constraint positive check (a > 0), b text)",
    "insert into t select i, i % 50 + 1, 'b' || i from generate_series(1, 200) i",
)

CASES = (
    Case(
        "check_and_foreign_key",
        (
            *ROWS,
            "alter table t add constraint other foreign key (a) references o on update cascade deferrable not valid",
            "comment on constraint positive on t is 'more than none'",
        ),
        "alter table t drop constraint positive, drop constraint if exists other",
    ),
    Case(
        "keys",
        (
            *ROWS,
            "alter table t add constraint pair unique (a, b) include (id) deferrable",
            "comment on constraint pair on t is 'two of them'",
            "comment on index pair is 'the index of it'",
            "alter table t cluster on t_key",
            "alter table t replica identity using index t_key",
        ),
        "alter table t drop constraint t_key, drop constraint pair",
    ),
)
