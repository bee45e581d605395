"""DROP STATISTICS."""

from __future__ import annotations

from cases import Case
from cases.create_statistics import TABLE

CASES = (
    Case(
        "with_a_target",
        (*TABLE, 'create statistics "S s" (ndistinct) on a, "B b" from t', 'alter statistics "S s" set statistics 9',
         "comment on statistics \"S s\" is 's'"),
        'drop statistics "S s";',
    ),
)  # fmt: skip
