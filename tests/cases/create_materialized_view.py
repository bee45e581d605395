"""CREATE MATERIALIZED VIEW."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_an_index",
        ("create table t (id int primary key)", "insert into t select i from generate_series(1, 50) i"),
        "create materialized view m (a) with (fillfactor = 70) as select id from t; create unique index on m (a);",
    ),
)
