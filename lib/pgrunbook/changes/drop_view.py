"""DROP VIEW and DROP MATERIALIZED VIEW: the way back makes it again, with all that hangs on it, and fills it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import postgast

from pgrunbook.changes._dropped import DroppedRelation

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class DropView(DroppedRelation):
    """One view of a DROP [MATERIALIZED] VIEW."""

    kind: ClassVar[str] = "drop_view"
    remade: ClassVar[bool] = True
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_VIEW: "view", _PB.OBJECT_MATVIEW: "materialized view"}

    @property
    def letters(self) -> str:  # type: ignore[override]
        return "v" if self._word == "view" else "m"

    @property
    def subject(self) -> str:
        return f"view {self.object}"

    @property
    def moves_rows(self) -> Mapping[str, str]:
        return dict.fromkeys(self.rows_not_brought_back, "")

    @property
    def rows_not_brought_back(self) -> Mapping[str, str]:
        return {self.object: "made again with the rows that its query gives now"} if self.letters == "m" else {}

    def lint(self) -> list[str]:
        notes = DroppedRelation.lint(self)
        if self.letters == "m":
            notes.append("the way back runs its query again and builds its indexes, if it was filled")
        return notes
