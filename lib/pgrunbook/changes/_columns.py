"""Columns as ALTER COLUMN finds and leaves them, in a table and in all that inherit from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pgrunbook.changes._alter import AlterTable
from pgrunbook.changes._base import Change, Defined, Observation, State
from pgrunbook.db import Database


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one relation; `sort` is pg_type.typtype, `default` an expression, or empty."""

    relation: str
    type: str
    collation: str
    sort: str
    default: str
    generated: bool
    identity: bool
    storage: str
    usual_storage: bool
    compression: str
    statistics: int
    options: list[str]


def columns(db: Database, relation: str, column: str, number: int = 0) -> list[Column]:
    """A column in a relation and in all that inherit it, the relation's own first; none where it is not there."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return columns_in_search(db, relation, column, number)


def columns_in_search(db: Database, relation: str, column: str, number: int = 0) -> list[Column]:
    """As `columns`, in a transaction whose search_path is pg_catalog already."""
    return db.fetch("column_settings", Column, relation=relation, column=column, number=number)


@dataclass(frozen=True, slots=True)
class AlterColumn(AlterTable, Defined):
    """One command about one column, which may stand over what there was."""

    @property
    def column(self) -> str:
        return str(self._command.name)

    @property
    def replaces(self) -> bool:
        return True

    def _apart(self, db: Database) -> Iterable[str]:  # noqa: ARG002
        """The relations that inherit the column and keep something else in its place."""
        return ()

    def _state(self, db: Database) -> Observation:
        seen = Defined._state(self, db)
        apart = ", ".join(self._apart(db)) if seen.state is State.PRESENT else ""
        return replace(seen, detail=f"{seen.detail}; not so in {apart}, which inherits it") if apart else seen

    def takes_away(self, other: Change) -> bool:
        """What adds the column makes it as it was before this."""
        return other.kind == "add_column" and other.object == self.object
