"""A query that takes another one's place: are its rows the other's? Compared in the server, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgrunbook import errors, sqlfile
from pgrunbook.db import Database
from pgrunbook.findings import Verdict
from pgrunbook.measure import asking
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query

# The rows of both, each with its place; of a page's "old" only those rows that the page should hold.
_ROWS = """
with old as materialized (
  select row_number() over () as place, pg_catalog.to_jsonb(o) as line from ({old}) o
), wanted as (
  select place - {skipped} as place, line from old where place > {skipped} and place <= {skipped} + {most}
), new as materialized (
  select row_number() over () as place, pg_catalog.to_jsonb(n) as line from ({new}) n
)
"""
_IN_ORDER = """
select (select count(*) from wanted), (select count(*) from new), count(*)
from wanted full join new using (place)
where wanted.line is distinct from new.line
"""
_AS_A_SET = """
select (select count(*) from wanted), (select count(*) from new), count(*)
from (
  (select line from wanted except all select line from new)
  union all
  (select line from new except all select line from wanted)
) differing
"""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """One bind set of a rewrite: how many rows each has (of the old one: those wanted), and how many differ.

    Of a page `shown` says which one it is. `differing` is None where the old query went over its time limit.
    """

    query: str
    replaces: str
    binds: str
    compared_as: str
    rows_before: int | None
    rows_after: int | None
    differing: int | None
    verdict: Verdict
    shown: str = ""
    gates: bool = True

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Rewritten:
        return cls(**{**row, "verdict": Verdict(row["verdict"])})


def compare_rows(db: Database, old: Query, new: Query, binds: Sequence[BindSet], timeout_s: float) -> list[Rewritten]:
    """Compare a query with the one it replaces over their common bind sets, each in one snapshot of the database."""
    asking.require_role(db, new.role, f"workload/{new.name}.sql")
    return [_compare(db, old, new, one, timeout_s) for one in binds]


def _compare(db: Database, old: Query, new: Query, binds: BindSet, timeout_s: float) -> Rewritten:
    rewrite = new.rewrite
    if rewrite is None:
        raise ValueError(f"{new.name} replaces nothing")
    first, second = old.statements[0], new.statements[0]
    names = [*first.parameters, *second.parameters, *rewrite.page]
    most, skipped = (f"${len(names) - 1}::int8", f"${len(names)}::int8") if rewrite.page else ("9e15::int8", "0")
    query = _ROWS.format(
        old=first.sql.rstrip("; \n"),
        new=sqlfile.renumbered(second.sql.rstrip("; \n"), len(first.parameters) + 1),
        most=most,
        skipped=skipped,
    ) + (_AS_A_SET if rewrite.same == "set" else _IN_ORDER)
    timeout = f"{int(timeout_s * 1000)}ms"
    counts: tuple[int | None, int | None, int | None] = (None, None, None)
    try:
        # a statement sees one snapshot, so what others write meanwhile is in both or in none
        local = asking.of_query(new, binds.values)
        with db.transaction(read_only=True, statement_timeout=timeout, **local):  # type: ignore[arg-type]
            counts = db.rows(query, [binds.values[n] for n in names])[0]
        verdict = Verdict.FAILED if counts[2] else Verdict.PASSED
    except errors.StatementCancelled:
        verdict = Verdict.NOT_MEASURABLE
    return Rewritten(
        new.name, old.name, binds.label, rewrite.same, *counts, verdict, _page(rewrite.page, binds), rewrite.gates
    )


def _page(names: Sequence[str], binds: BindSet) -> str:
    """Which page a bind set asks for: no personal datum, so it may be shown."""
    if not names:
        return ""
    length, skipped = (int(binds.values[n] or 0) for n in names)
    return f"page {skipped // length + 1} of {length}" if length else ""
