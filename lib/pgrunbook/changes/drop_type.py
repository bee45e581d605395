"""DROP TYPE and DROP DOMAIN: nothing uses it any more; the way back makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import postgast

from pgrunbook.changes import _definitions
from pgrunbook.changes._base import Names
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._dropped import Dropped
from pgrunbook.changes._functions import Type
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class DropType(Dropped):
    """One type of a DROP TYPE or DROP DOMAIN."""

    kind: ClassVar[str] = "drop_type"
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_TYPE: "type", _PB.OBJECT_DOMAIN: "domain"}

    @property
    def subject(self) -> str:
        return f"type {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return tuple(f"{kind} {self.object}" for kind in ("type", "enum", "domain", "relation"))

    def _found(self, names: Names) -> Self:
        found = names.db.one("type_name", Type, name=quoted(self.schema, self.name))
        if found is None or found.is_array:
            return replace(self, schema=self.schema or names.creation_schema)
        self._require_schema(names, found.schema)
        return replace(self, schema=found.schema)

    def find(self, db: Database) -> Found | None:
        oid = db.value("select pg_catalog.to_regtype($1)::oid::int8", [self.object])
        return Found(_definitions.TYPE, oid) if oid else None
