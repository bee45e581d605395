"""ALTER … RENAME."""

from __future__ import annotations

from cases import Case

TABLE = (
    "create table t (id int primary key, a int)",
    "insert into t select i, i from generate_series(1, 100) i",
    "create index t_a on t (a)",
)

CASES = (
    Case(
        "in_a_chain",
        TABLE,
        "alter table t rename column a to b; alter table t rename to u; alter table u add column c int;"
        " alter index t_a rename to u_b;",
    ),
    Case(
        "of_what_it_makes",
        (),
        "create table n (a int); create index on n (a); alter table n rename to o; alter table o rename column a to b;",
    ),
    # a table that takes the place of another, in one transaction
    Case(
        "swapped",
        (*TABLE, "create table t_new (id int primary key, b text)"),
        "begin; alter table t rename to t_old; alter table t_new rename to t; commit;",
    ),
)
