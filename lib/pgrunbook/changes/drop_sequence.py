"""DROP SEQUENCE: the way back makes it again, and lets it go on where it stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import postgast

from pgrunbook.changes._dropped import DroppedRelation

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class DropSequence(DroppedRelation):
    """One sequence of a DROP SEQUENCE."""

    kind: ClassVar[str] = "drop_sequence"
    letters: ClassVar[str] = "S"
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_SEQUENCE: "sequence"}

    @property
    def subject(self) -> str:
        return f"sequence {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"relation {self.object}", f"sequence {self.object}")

    def lint(self) -> list[str]:
        return [*DroppedRelation.lint(self), "numbers that are taken between the look at it and the drop come again"]
