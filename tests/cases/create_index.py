"""CREATE INDEX."""

from __future__ import annotations

from cases import Case

ROWS = (
    "create table t (id int primary key, a int, b text)",
    "insert into t select i, i, 'b' || i from generate_series(1, 300) i",
)

CASES = (
    Case(
        "unique_and_plain",
        ROWS,
        "create index t_b on t (lower(b)) where a > 5; create unique index t_a_key on t (a)",
        breaks="insert into t values (1000, 7, 'twice')",
        mends="delete from t where id = 1000",
        sqlstate="23505",
    ),
    Case(
        "partitioned",
        (
            "create table t (id int, a int, b text) partition by range (id)",
            "create table p1 partition of t for values from (0) to (100)",
            'create table "P 2" partition of t for values from (100) to (400) partition by list (a)',
            'create table p3 partition of "P 2" default',
            "insert into t select i, i, 'b' || i from generate_series(1, 300) i",
            # one that will be taken over, and one that only stands in the way of a name
            "create unique index mine on p3 (id, a)",
            "comment on index mine is 'it''s mine'",
            "create index p1_id_a_idx on p1 (b)",
        ),
        "create unique index on t (id, a)",
        breaks="insert into t values (7, 7, 'twice')",
        mends="delete from t where b = 'twice'",
        sqlstate="23505",
    ),
    Case(
        "taken_over_by_a_constraint",
        ROWS,
        "create unique index t_a_ids on t (a); alter table t add constraint t_a_key unique using index t_a_ids",
    ),
)
