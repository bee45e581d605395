"""ALTER COLUMN … SET NOT NULL: the rows are looked at while they are written, before the column is marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook.changes import _constraints
from pgrunbook.changes._alter import defined_anew, only_command
from pgrunbook.changes._base import IN_USE, NOTHING_THERE, Observation, Phase, State, one_transaction
from pgrunbook.changes._not_null import CONSTRAINT, HELPER, HELPER_VALID, NATIVE, PROVEN, SET, TAKEN, NullabilityChange
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_NULL_FOUND = ("23502", "23514")  # of the column itself, of a check on it


@dataclass(frozen=True, slots=True)
class SetNotNull(NullabilityChange):
    """One SET NOT NULL."""

    kind: ClassVar[str] = "set_not_null"
    is_careful: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> SetNotNull | None:
        command = only_command(statement, _PB.AT_SetNotNull)
        node: Any = statement.node
        return cls(statement, schema=node.relation.schemaname) if command else None

    def state(self, db: Database) -> Observation:
        return defined_anew(self, self._seen(db), db)

    def _seen(self, db: Database) -> Observation:
        now = self._place.look(db)
        if now is None:
            return NOTHING_THERE
        if now.not_null and not now.validated:
            detail = f"its constraint {quoted(now.constraint_name)} is there, but not validated"
            return Observation(State.INVALID, detail, found=(CONSTRAINT + now.constraint_name,))
        if now.helper:
            found = (HELPER_VALID if now.helper == "valid" else HELPER, *([SET] if now.not_null else []))
            detail = f"the helper {quoted(self._place.helper)} is there, {now.helper}"
            return Observation(State.INVALID, detail, found=found)
        if now.not_null:
            return Observation(State.PRESENT, "not null")
        if now.proves(self.column):
            return Observation(State.ABSENT, "a valid constraint proves it: no row is looked at", found=(PROVEN,))
        return Observation(State.ABSENT, "may be null", found=(TAKEN,) if now.taken else ())

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        seen = self._seen(db)
        before = captured.get("not_valid")
        if before and seen.found == (CONSTRAINT + before["name"],):
            return Observation(State.ABSENT, "is as it was before")
        return seen

    def capture(self, db: Database) -> dict[str, Any]:
        now = self._place.look(db)
        captured: dict[str, Any] = {"version": self.version}
        if now and now.not_null and not now.validated:
            captured["not_valid"] = {"name": now.constraint_name, "comment": now.comment}
        if now and now.children and self.version < NATIVE:
            captured["children"] = now.children
        return captured

    def apply(self, seen: Observation) -> list[Phase]:
        if self.plainly(seen):
            return one_transaction(self._place.marked("set"))
        return self._place.steps(tuple(f for f in seen.found if f != IN_USE))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        place = replace(self._place, version=captured.get("version", self.version))
        statements = [place.marked("drop")]
        if place.version < NATIVE:
            statements.append(place.without_helper())
        # dropping it drops it of the children too, which had it before
        for child in captured.get("children", []):
            statements.append(_constraints.alter(child, f"alter column {quoted(self.column)} set not null"))
        if before := captured.get("not_valid"):
            add = f"add constraint {quoted(before['name'])} not null {quoted(self.column)} not valid"
            statements.append(_constraints.alter(self.relation, add))
            statements += _constraints.commented(self.relation, before["name"], before["comment"])
        return one_transaction(*statements)

    def clear(self, seen: Observation, captured: Mapping[str, Any]) -> list[Phase]:
        # what traffic met before, it meets again
        return [] if captured.get("not_valid") or seen.state is not State.INVALID else self.undo(captured)

    def in_the_way(self, sqlstate: str) -> str:
        found = f"select * from {self.relation} where {quoted(self.column)} is null"  # noqa: S608  shown, not run
        return found if sqlstate in _NULL_FOUND else ""

    def known(self) -> dict[str, bool]:
        return {"proven": True}

    def lint(self) -> list[str]:
        plain = "written, it reads the whole table under ACCESS EXCLUSIVE"
        if self.version >= NATIVE:
            return [f"{plain}; here it is added NOT VALID, briefly, and then validated while rows are written"]
        return [
            f"{plain}; here a helper, CHECK ({quoted(self.column)} IS NOT NULL), is added NOT VALID, validated while "
            "rows are written, and dropped once it has proven to the server that there is nothing to look for"
        ]
