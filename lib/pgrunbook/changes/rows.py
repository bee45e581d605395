"""INSERT, UPDATE, DELETE and the like on a table that the same migration makes: the way back is to drop the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pgrunbook import sqlfile
from pgrunbook.changes._base import (
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
    statement_label,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlStatement, quoted

_WRITING = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt")
_MAKING = ("create_stmt", "create_table_as_stmt")


@dataclass(frozen=True, slots=True)
class Rows(Change):
    """One statement that writes into a table made by the same migration. The ledger alone says whether it was done."""

    kind: ClassVar[str] = "rows"
    recorded: ClassVar[bool] = True

    schema: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Rows | None:
        if statement.node_kind not in _WRITING:
            return None
        node: Any = statement.node
        return cls(statement, schema=node.relation.schemaname)

    @property
    def _table(self) -> str:
        node: Any = self.written.node
        return str(node.relation.relname)

    @property
    def label(self) -> str:
        return statement_label(self.written)

    @property
    def object(self) -> str:
        return f"rows of {self.relation} ({self.label})"

    @property
    def relation(self) -> str:
        return quoted(self.schema, self._table)

    def resolve(self, names: Names) -> Rows:
        table = names.relation(self.schema, self._table, self.written, "rp")
        return replace(self, schema=table.schema)

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema

        return sqlfile.rewritten(self.written.sql, qualify)

    def state(self, db: Database) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "only the ledger can tell")

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        return Observation(State.PRESENT, "was committed with its row in the ledger")

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), LockMode.ROW_EXCLUSIVE, self.relation))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return []

    def verify(self, db: Database) -> list[Check]:  # noqa: ARG002
        detail = "whether all rows are there, a check file can say"
        return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]

    def lint(self) -> list[str]:
        return [f"its way back is that of {self.relation}, which this migration makes: the rows go with the table"]


def written_to_new(statement: SqlStatement, made: set[tuple[str, str]]) -> Rows | None:
    """The change that a statement is if it writes into one of the tables that are made before it."""
    change = Rows.from_ast(statement)
    if change is None or not any(_same((change.schema, change._table), table) for table in made):
        return None
    return change


def made_by(statement: SqlStatement) -> tuple[str, str] | None:
    """Schema (empty where none is written) and name of the table that a statement makes."""
    if statement.node_kind not in _MAKING:
        return None
    node: Any = statement.node
    made = node.relation if statement.node_kind == "create_stmt" else node.into.rel
    return str(made.schemaname), str(made.relname)


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[1] == other[1] and ("" in (one[0], other[0]) or one[0] == other[0])
