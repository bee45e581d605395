"""DROP INDEX."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table t (id int primary key, a int not null, b text)",
    "insert into t select i, i, 'b' || i from generate_series(1, 200) i",
)

CASES = (
    Case(
        "two_with_all_their_traits",
        (
            *ROWS,
            "create unique index t_a on t (a) include (b) with (fillfactor = 80)",
            'create index "T b" on t (lower(b) desc nulls last) where a > 5',
            "comment on index \"T b\" is 'it''s lower'",
            'alter index "T b" alter column 1 set statistics 500',
            "alter table t cluster on t_a",
            "alter table t replica identity using index t_a",
        ),
        'drop index t_a, "T b"',
    ),
    Case(
        "partitioned",
        (
            "create table t (id int, a int) partition by range (id)",
            "create table p1 partition of t for values from (0) to (100)",
            "create table p2 partition of t for values from (100) to (300) partition by list (a)",
            "create table p3 partition of p2 default",
            "insert into t select i, i from generate_series(1, 200) i",
            "create index t_a on t (a)",
            "comment on index t_a is 'of all'",
            "comment on index p1_a_idx is 'of one'",
        ),
        "drop index if exists t_a",
    ),
    Case(
        "made_anew",
        (
            "create table t (id int, a int)",
            "insert into t select i, i from generate_series(1, 200) i",
            "create index t_a on t (a)",
            "comment on index t_a is 'old'",
        ),
        "drop index t_a;\ncreate index t_a on t (a, id);",
    ),
)
