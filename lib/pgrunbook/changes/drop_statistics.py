"""DROP STATISTICS: the way back makes the object again; ANALYZE fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import postgast

from pgrunbook.changes import _definitions
from pgrunbook.changes._base import Names
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._dropped import Dropped
from pgrunbook.db import Database

_PB = postgast.pg_query_pb2
_QUERY = (
    "select s.oid::int8, n.nspname::text from pg_catalog.pg_statistic_ext s"
    " join pg_catalog.pg_namespace n on n.oid = s.stxnamespace where s.stxname = $1"
    " and case when $2::text = '' then pg_catalog.pg_statistics_obj_is_visible(s.oid) else n.nspname = $2 end"
)


@dataclass(frozen=True, slots=True)
class DropStatistics(Dropped):
    """One statistics object of a DROP STATISTICS."""

    kind: ClassVar[str] = "drop_statistics"
    remade: ClassVar[bool] = True
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_STATISTIC_EXT: "statistics"}

    @property
    def subject(self) -> str:
        return f"statistics {self.object}"

    def _found(self, names: Names) -> Self:
        found = names.db.rows(_QUERY, [self.name, self.schema])
        if not found:
            return replace(self, schema=self.schema or names.creation_schema)
        self._require_schema(names, found[0][1])
        return replace(self, schema=found[0][1])

    def find(self, db: Database) -> Found | None:
        found = db.rows(_QUERY, [self.name, self.schema])
        return Found(_definitions.STATISTICS, found[0][0]) if found else None

    def lint(self) -> list[str]:
        return [*Dropped.lint(self), "what ANALYZE found goes with it: after the way back, ANALYZE its table"]
