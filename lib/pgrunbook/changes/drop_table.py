"""DROP TABLE: its rows are lost; the way back makes it again, empty, with all that was on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast
from psycopg.sql import Literal

from pgrunbook.changes._base import LockMode, Phase, Statement, one_transaction
from pgrunbook.changes._dropped import DroppedRelation
from pgrunbook.db import Database

_PB = postgast.pg_query_pb2


_KIN = (
    "select pg_catalog.format('%I.%I', n.nspname, c.relname) from ("
    "select relid from pg_catalog.pg_partition_tree($1::pg_catalog.regclass) union"
    " select relid from pg_catalog.pg_partition_ancestors($1::pg_catalog.regclass)) k"
    " join pg_catalog.pg_class c on c.oid = k.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace order by 1"
)


@dataclass(frozen=True, slots=True)
class DropTable(DroppedRelation):
    """One table of a DROP TABLE, its partitions with it. `kin` are those, and the tables of which it is a part."""

    kind: ClassVar[str] = "drop_table"
    destroys: ClassVar[bool] = True
    letters: ClassVar[str] = "rp"
    objects: ClassVar[Mapping[int, str]] = {_PB.OBJECT_TABLE: "table"}

    kin: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return f"table {self.object}"

    @property
    def irreversible(self) -> str:
        return (
            ""
            if self.passing
            else f"loses the rows of {self.object} for good: the way back makes the table as it was, but empty"
        )

    @property
    def moves_rows(self) -> Mapping[str, str]:
        return dict.fromkeys((self.object, *self.kin), "")

    @property
    def rows_not_brought_back(self) -> Mapping[str, str]:
        return {} if self.passing else dict.fromkeys(self.moves_rows, f"the rows of {self.object} were dropped")

    def capture(self, db: Database) -> dict[str, Any]:
        found = DroppedRelation.capture(self, db)
        return {**found, "kin": [name for (name,) in db.rows(_KIN, [self.object])]} if found["before"] else found

    def remembering(self, captured: Mapping[str, Any]) -> DropTable:
        return replace(self, kin=tuple(captured.get("kin", ())))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        made = captured.get("statements", [])
        return one_transaction(*map(_on_others, made)) if made else []

    def lint(self) -> list[str]:
        if self.passing:
            return [
                "this migration makes it as well: the ledger tells whether it was there",
                *DroppedRelation.lint(self),
            ]
        dump = f"pg_dump --table {Literal(self.object).as_string().strip()}"
        return [
            f"the rows of {self.object} are lost, the way back brings it empty: keep them with {dump}, or rename the "
            "table out of the way now and drop it a release later, when nobody has missed it",
            *DroppedRelation.lint(self),
        ]


def _on_others(text: str) -> Statement:
    """A statement that makes a part of the table, and what it locks of others."""
    if "FOREIGN KEY" in text and text.startswith("alter table"):
        return Statement(text, LockMode.SHARE_ROW_EXCLUSIVE, "")
    locks = " attach partition " in text or text.startswith("alter publication")
    return Statement(text, LockMode.SHARE_UPDATE_EXCLUSIVE if locks else LockMode.NONE, "")
