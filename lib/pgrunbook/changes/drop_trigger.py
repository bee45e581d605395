"""DROP TRIGGER: the way back makes it again, disabled where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import _definitions
from pgrunbook.changes._base import Names
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._dropped import Dropped, names_in, plain, put_names
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

_PB = postgast.pg_query_pb2
_QUERY = (
    "select oid::int8 from pg_catalog.pg_trigger"
    " where tgrelid = pg_catalog.to_regclass($1) and tgname = $2 and not tgisinternal"
)


@dataclass(frozen=True, slots=True)
class DropTrigger(Dropped):
    """One DROP TRIGGER."""

    kind: ClassVar[str] = "drop_trigger"
    remade: ClassVar[bool] = True
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_TRIGGER: "trigger"}

    @classmethod
    def _takes(cls, names: Sequence[str]) -> bool:
        return len(names) in (2, 3)

    @classmethod
    def _schema_in(cls, names: Sequence[str]) -> str:
        return names[0] if len(names) > 2 else ""

    @property
    def table(self) -> str:
        return names_in(self._node.objects[0])[-2]

    @property
    def label(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.name)

    @property
    def subject(self) -> str:
        return f"trigger {self.object}"

    def _found(self, names: Names) -> Self:
        return replace(self, schema=names.relation(self.schema, self.table, self.written, "rpvf").schema)

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            put_names(node.objects[0], [self.schema, self.table, self.name])
            plain(node)

        return sqlfile.rewritten(self.written.sql, qualify)

    def find(self, db: Database) -> Found | None:
        oid = db.value(_QUERY, [self.relation, self.name])
        return Found(_definitions.TRIGGER, oid) if oid else None

    @property
    def _drop(self) -> str:
        return f"drop trigger {quoted(self.name)} on {self.relation}"
