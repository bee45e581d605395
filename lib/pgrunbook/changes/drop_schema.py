"""DROP SCHEMA: one that is empty by then; the way back makes it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import postgast

from pgrunbook.changes import _definitions
from pgrunbook.changes._base import Names
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._dropped import Dropped
from pgrunbook.db import Database

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class DropSchema(Dropped):
    """One schema of a DROP SCHEMA."""

    kind: ClassVar[str] = "drop_schema"
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_SCHEMA: "schema"}

    @classmethod
    def _takes(cls, names: Sequence[str]) -> bool:
        return len(names) == 1

    @property
    def subject(self) -> str:
        return f"schema {self.object}"

    def _found(self, names: Names) -> Self:  # noqa: ARG002
        return self

    def follow(self, names: Names) -> None:
        names.add_schema(self.name, there=False)

    def find(self, db: Database) -> Found | None:
        oid = db.value("select oid::int8 from pg_catalog.pg_namespace where nspname = $1", [self.name])
        return Found(_definitions.SCHEMA, oid) if oid else None
