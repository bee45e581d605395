"""Columns as ALTER COLUMN finds and leaves them, in a table and in all that inherit from it."""

from __future__ import annotations

from dataclasses import dataclass

from pgrunbook.changes._alter import AlterTable
from pgrunbook.changes._base import Change, Defined
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

    def takes_away(self, other: Change) -> bool:
        """What adds the column makes it as it was before this."""
        return other.kind == "add_column" and other.object == self.object
