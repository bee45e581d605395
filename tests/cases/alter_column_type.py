"""ALTER COLUMN … TYPE."""

from __future__ import annotations

from cases import Case

TABLE = (
    "create table t (id int primary key, v varchar(5) default 'x', n int default 3)",
    "insert into t select i, 'v', i from generate_series(1, 100) i",
    "create index t_v on t (v)",
)

CASES = (
    Case("longer", TABLE, "alter table t alter v type varchar(9);"),
    Case(
        "rewritten",
        TABLE,
        "alter table t alter n type bigint;",
        toml="[objects.statement_1]\nconcurrently = false\n",
    ),
)
