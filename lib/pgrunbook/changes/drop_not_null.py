"""ALTER COLUMN … DROP NOT NULL; its undo is the safe form of SET NOT NULL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook.changes import _constraints
from pgrunbook.changes._alter import defined_anew, only_command
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Observation,
    Phase,
    State,
    Transaction,
    one_transaction,
)
from pgrunbook.changes._not_null import NATIVE, NullabilityChange
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class DropNotNull(NullabilityChange):
    """One DROP NOT NULL."""

    kind: ClassVar[str] = "drop_not_null"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DropNotNull | None:
        command = only_command(statement, _PB.AT_DropNotNull)
        node: Any = statement.node
        return cls(statement, schema=node.relation.schemaname) if command else None

    def state(self, db: Database) -> Observation:
        now = self._place.look(db)
        if now is None:
            return NOTHING_THERE
        seen = Observation(State.ABSENT, "not null") if now.not_null else Observation(State.PRESENT, "may be null")
        return defined_anew(self, seen, db)

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        now = self._place.look(db)
        if now is None:
            return Observation(State.DIFFERENT, "the column is gone")
        if now.not_null and not now.helper and now.validated == captured.get("validated", True):
            return Observation(State.ABSENT, "is as it was before")
        return Observation(State.PRESENT, "may be null, or not all of the way back to NOT NULL is done")

    def capture(self, db: Database) -> dict[str, Any]:
        now = self._place.look(db)
        if now is None:
            return {"version": self.version}
        return {
            "version": self.version,
            "name": now.constraint_name,
            "comment": now.comment,
            "validated": now.validated,
        }

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._place.marked("drop"))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        place = replace(self._place, version=captured.get("version", self.version))
        first, *rest = place.steps(name=captured.get("name", ""))
        # what an undo that was stopped has left is begun anew
        anew = place.marked("drop") if place.version >= NATIVE else place.without_helper()
        phases: list[Phase] = [Transaction((anew, *first.statements)), *rest]
        if not captured.get("validated", True):
            phases = phases[:1]
        name = captured.get("name", "")
        if comment := _constraints.commented(self.relation, name, captured.get("comment", "")):
            phases[0] = Transaction((*phases[0].statements, *comment))
        return phases

    def lint(self) -> list[str]:
        return [
            f"the way back reads the whole table, while rows are written, and fails where {quoted(self.column)} is null"
        ]
