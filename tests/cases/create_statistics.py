"""CREATE STATISTICS."""

from __future__ import annotations

from cases import Case

TABLE = (
    'create table t (id int primary key, a int, "B b" text)',
    "insert into t select i, i, i from generate_series(1, 50) i",
)

CASES = (
    Case("named", TABLE, 'create statistics if not exists "S s" (ndistinct, mcv) on a, "B b" from t;'),
    Case("of_an_expression", TABLE, "create statistics e on (a % 10) from t;", oldest=140000),
    Case("unnamed", TABLE, 'create statistics on a, "B b" from t;', oldest=160000),
)
