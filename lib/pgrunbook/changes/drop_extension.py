"""DROP EXTENSION: nothing uses it any more; the way back makes it again, of the same version in the same schema."""

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
class DropExtension(Dropped):
    """One extension of a DROP EXTENSION. One that holds contents of its own is refused: they would be lost."""

    kind: ClassVar[str] = "drop_extension"
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_EXTENSION: "extension"}

    @classmethod
    def _takes(cls, names: Sequence[str]) -> bool:
        return len(names) == 1

    @property
    def subject(self) -> str:
        return f"extension {self.object}"

    def _found(self, names: Names) -> Self:  # noqa: ARG002
        return self

    def find(self, db: Database) -> Found | None:
        oid = db.value("select oid::int8 from pg_catalog.pg_extension where extname = $1", [self.name])
        return Found(_definitions.EXTENSION, oid) if oid else None

    def lint(self) -> list[str]:
        return [*Dropped.lint(self), "the way back needs the server to have the files of this version then, too"]
