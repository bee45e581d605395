"""CREATE POLICY: committed together with all that is changed of the table's row security."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgrunbook.changes._base import Observation, Phase, one_transaction
from pgrunbook.changes._policy import PolicyChange, takes_whole_rows
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement


@dataclass(frozen=True, slots=True)
class CreatePolicy(PolicyChange):
    """One CREATE POLICY."""

    kind: ClassVar[str] = "create_policy"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreatePolicy | None:
        if statement.node_kind != "create_policy_stmt" or takes_whole_rows(statement.node):
            return None
        return cls(statement)

    @property
    def replaces(self) -> bool:
        return self.there_before is False  # an earlier change drops the one that stands there

    def planned(self, db: Database) -> str | None:
        with self.copy(db) as copy:
            db.execute(self.on_copy())
            return self.read_back(db, copy)

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what stands there is dropped by another change
        return {"before": None}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self.statement(self.written.sql))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self.dropped())
