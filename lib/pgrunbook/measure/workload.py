"""Bind values for the workload: sampled once by the baseline, the same ones used ever after.

So are the claims of who asks: the columns that a query's `settings` name.

Values may be personal data: they stay in the run's private folder; everywhere else a keyed tag stands for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgrunbook import errors, sqlfile
from pgrunbook.db import Database
from pgrunbook.evidence.redact import tag
from pgrunbook.runbook import Query

# every value as the server writes it in JSON: a timestamp in ISO format, a number in all its digits. The mark keeps it
# out of an audit's statements; pg_stat_statements drops a comment that leads
_AS_TEXT = """
select /* pgrunbook */
  (select pg_catalog.jsonb_object_agg(key, value) from pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(sampled)))
from ({query}) sampled
"""


@dataclass(frozen=True, slots=True)
class BindSet:
    """One set of values for a query's parameters. `label` names class and number: "common 1"."""

    label: str
    values: Mapping[str, str | None]

    def shown(self, harmless: Sequence[str], key: bytes) -> str:
        """The values as they may be written: harmless ones plainly, others as keyed tags."""
        return ", ".join(
            f"{name}={value if name in harmless or name == 'now' else tag(key, value)}"
            for name, value in self.values.items()
        )


def sample_binds(db: Database, query: Query, now: datetime, timeout_s: float) -> list[BindSet]:
    """Sample a query's bind values from the data. Raises `WrongUsage` where a sampling query does not fit."""
    if not query.sampled:
        return [BindSet("no parameters", {})]
    if query.sampled == ("now",) and not query.binds:
        return [BindSet("now", {"now": now.isoformat()})]
    sets = []
    for name, sql in query.binds.items():
        with db.transaction(read_only=True, statement_timeout=f"{int(timeout_s * 1000)}ms"):
            rows = db.rows(_AS_TEXT.replace("{query}", sqlfile.split(sql)[0].sql))
        for number, (row,) in enumerate(rows, 1):
            values = {p: row[p] for p in query.sampled if p in row}
            if "now" in query.sampled:
                values.setdefault("now", now.isoformat())
            missing = [p for p in query.sampled if p not in values]
            if missing:
                raise errors.WrongUsage(
                    f"workload/{query.name}.sql: binds.{name} samples no value for {', '.join(missing)}",
                    remedy="name its columns after the query's parameters and settings",
                )
            sets.append(BindSet(f"{name} {number}" if len(rows) > 1 else name, values))
    if not sets:
        raise errors.CheckFailed(
            f"workload/{query.name}.sql: its bind queries found no value in this database",
            remedy="an empty database can't be measured: load data, or mend [binds]",
        )
    return sets
