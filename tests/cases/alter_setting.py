"""ALTER … SET and RESET of settings."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "of_table_index_and_column",
        (
            "create table t (id int primary key, a text) with (fillfactor = 90)",
            "insert into t select i, 'x' from generate_series(1, 100) i",
            "create index t_a on t (a)",
        ),
        "alter table t set (fillfactor = 70, autovacuum_enabled = off), alter a set statistics 500;"
        " alter index t_a set (fillfactor = 60); alter table t alter a set storage external;",
    ),
)
