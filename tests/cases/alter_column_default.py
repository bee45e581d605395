"""ALTER COLUMN … SET DEFAULT and DROP DEFAULT."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "set_and_dropped",
        (
            "create table t (id serial primary key, a int default 1, b text)",
            "insert into t (b) select 'x' from generate_series(1, 100) i",
        ),
        "alter table t alter a set default 2, alter id drop default; alter table t alter b set default 'it''s';",
    ),
)
