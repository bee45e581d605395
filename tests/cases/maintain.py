"""VACUUM, ANALYZE, REINDEX, REFRESH."""

from __future__ import annotations

from cases import Case

TABLE = (
    "create table t (id int primary key, a int)",
    "insert into t select i, i from generate_series(1, 200) i",
    "create index t_a on t (a)",
)

CASES = (
    Case("vacuum_and_reindex", TABLE, "vacuum (analyze) t; reindex index t_a;"),
    Case(
        "refresh",
        (*TABLE, "create materialized view m as select id from t", "create unique index on m (id)"),
        "refresh materialized view concurrently m; analyze t;",
    ),
)
