"""ALTER POLICY: roles and expressions of a policy; its undo sets back what it set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgrunbook import errors
from pgrunbook.changes._base import NOTHING_THERE, Defined, Observation, Phase, State, one_transaction, quoted
from pgrunbook.changes._policy import PolicyChange, found, takes_whole_rows
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement


@dataclass(frozen=True, slots=True)
class AlterPolicy(PolicyChange):
    """One ALTER POLICY that sets roles or expressions."""

    kind: ClassVar[str] = "alter_policy"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AlterPolicy | None:
        if statement.node_kind != "alter_policy_stmt" or takes_whole_rows(statement.node):
            return None
        return cls(statement)

    @property
    def replaces(self) -> bool:
        return True

    def _state(self, db: Database) -> Observation:
        if self.policy(db) is None:
            if self.there_before:
                return NOTHING_THERE
            return Observation(State.DIFFERENT, f"planned: to alter it; found: no policy {self.object}")
        return Defined._state(self, db)

    def planned(self, db: Database) -> str | None:
        name = self._name[2]

        with self.copy(db) as copy:
            existing = found(db, self.relation, name, shown=copy)
            if existing is None:
                raise errors.PreflightFailed(f"there is no policy {self.object} to alter yet")
            db.execute(existing.definition)
            db.execute(self.on_copy())
            return self.read_back(db, copy)

    def capture(self, db: Database) -> dict[str, Any]:
        captured = PolicyChange.capture(self, db)
        if self.later or self.there_before is not None:  # the migration does more to it: what this one gives passes
            return {**captured, "several": True}
        return {**captured, "after": self._planned(db)[0]}

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        """As it is after any altering, unless that was known: another clause may have been changed since."""
        after, now = captured.get("after"), self.now(db)
        if after and now not in (after, captured["before"]):
            return Observation(State.DIFFERENT, f"planned: {after}; found: {now or 'none'}")
        return Defined.since(self, db, captured)

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self.statement(self.written.sql))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        if not captured.get("before"):  # made by the same migration, which drops it next
            return []
        if captured.get("several"):
            return one_transaction(self.dropped(), *self.made_again(captured))
        old, node = captured["policy"], self._node
        set_again = [f"alter policy {quoted(self._name[2])} on {self.relation}"]
        if node.roles:
            set_again.append(f"to {old['roles']}")
        for clause, part in (("using", "qual"), ("with check", "with_check")):
            if not node.HasField(part):
                continue
            if old[part] is None:  # ALTER POLICY can't take an expression away
                return one_transaction(self.dropped(), *self.made_again(captured))
            set_again.append(f"{clause} ({old[part]})")
        return one_transaction(self.statement(" ".join(set_again)))
