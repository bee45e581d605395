"""ALTER TABLE … VALIDATE CONSTRAINT: looks at every row while rows are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook.changes import _constraints
from pgrunbook.changes._alter import AlterTable, defined_anew, only_command
from pgrunbook.changes._base import NOTHING_THERE, Change, Names, Observation, Phase, State
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class ValidateConstraint(AlterTable):
    """One VALIDATE CONSTRAINT."""

    kind: ClassVar[str] = "validate_constraint"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> ValidateConstraint | None:
        command = only_command(statement, _PB.AT_ValidateConstraint)
        node: Any = statement.node
        return cls(statement, schema=node.relation.schemaname) if command else None

    @property
    def name(self) -> str:
        return str(self._command.name)

    @property
    def label(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.name)

    @property
    def subject(self) -> str:
        return f"validity of {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"constraint {self.object}",)

    def may_follow(self, before: Change) -> bool:  # noqa: ARG002
        return True

    def resolve(self, names: Names) -> ValidateConstraint:
        return replace(self, schema=self._found_table(names).schema)

    def state(self, db: Database) -> Observation:
        now = _constraints.find(db, self.relation, self.name)
        if now is None:
            return NOTHING_THERE
        seen = Observation(State.PRESENT if now.validated or not now.enforced else State.ABSENT, now.shown)
        return defined_anew(self, seen, db)

    def capture(self, db: Database) -> dict[str, Any]:
        now = _constraints.find(db, self.relation, self.name)
        return {"constraint": now.remembered} if now else {}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return [_constraints.validated(self.relation, self.name)]

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        before = captured.get("constraint")
        return [_constraints.added_not_valid(self.relation, self.name, before)] if before else []

    def lint(self) -> list[str]:
        return ["the way back drops it and adds it NOT VALID, in one transaction: there is no other"]
