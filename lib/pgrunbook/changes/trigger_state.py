"""ALTER TABLE … ENABLE or DISABLE TRIGGER of one trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook.changes import _triggers
from pgrunbook.changes._alter import AlterTable, only_command
from pgrunbook.changes._base import (
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_STATES = {
    _PB.AT_EnableTrig: "O",
    _PB.AT_DisableTrig: "D",
    _PB.AT_EnableAlwaysTrig: "A",
    _PB.AT_EnableReplicaTrig: "R",
}


@dataclass(frozen=True, slots=True)
class TriggerState(AlterTable, Defined):
    """One ENABLE or DISABLE TRIGGER.

    `meanwhile` are the changes up to the one that sets the same trigger anew: it holds for them alone. `anew`: an
    earlier change sets it.
    """

    kind: ClassVar[str] = "trigger_state"

    meanwhile: tuple[Change, ...] | None = None
    anew: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> TriggerState | None:
        node: Any = statement.node
        command = next((c for s in _STATES if (c := only_command(statement, s))), None)
        return cls(statement, schema=node.relation.schemaname) if command else None

    @property
    def name(self) -> str:
        return str(self._command.name)

    @property
    def enables(self) -> bool:
        """Whether the trigger fires afterwards, for a session that is no replica's."""
        return _STATES[self._command.subtype] in "OA"

    @property
    def trigger(self) -> str:
        """The subject of what makes the trigger."""
        return _triggers.subject(self.relation, self.name)

    @property
    def label(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def object(self) -> str:
        return f"{self.relation}.{quoted(self.name)}"

    @property
    def subject(self) -> str:
        return f"state of {self.trigger}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"trigger {self.object}",)

    @property
    def replaces(self) -> bool:
        return True

    @property
    def takes_block_apart(self) -> bool:
        return self.anew or self.meanwhile is not None  # in one block all would be looked at before the first is done

    def resolve(self, names: Names) -> TriggerState:
        found = self._found_table(names)
        known = replace(self, schema=found.schema)
        return replace(known, anew=known.subject in names.there)

    def follow(self, names: Names) -> None:
        names.there[self.subject] = True

    def followed_by(self, later: Sequence[Change]) -> Change:
        known = Change.followed_by(self, later)
        position = next((n for n, c in enumerate(later) if c.subject == self.subject), None)
        if position is not None:
            return replace(self, later=known.later, meanwhile=tuple(later[:position]))
        dropped = (c for c in later if isinstance(c, Defined) and c.drops and c.subject == self.trigger)
        return replace(self, later=next(dropped, known.later))

    def now(self, db: Database) -> str | None:
        found = _triggers.found(db, self.relation, self.name)
        return None if found is None else _definition(found.enabled, found.clones)

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return _definition(_STATES[self._command.subtype], [])

    def state(self, db: Database) -> Observation:
        if self.meanwhile is None:
            return Defined.state(self, db)
        seen = Defined._state(self, db)
        if seen.state is State.PRESENT:
            return seen
        if self.later and all(c.standing(db).state is State.PRESENT for c in (*self.meanwhile, self.later)):
            return Observation(State.PRESENT, f"line {self.later.written.line} sets it anew; all up to there is done")
        return seen

    def capture(self, db: Database) -> dict[str, Any]:
        found = _triggers.found(db, self.relation, self.name)
        return {
            "before": self.now(db),
            "enabled": found.enabled if found else "",
            "clones": [clone.rpartition(" ")[::2] for clone in found.clones] if found else [],
        }

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), LockMode.SHARE_ROW_EXCLUSIVE, self.relation))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        # before it is captured nothing better is known than what a new trigger has
        back = [_triggers.set_enabled(self.relation, self.name, captured.get("enabled") or "O")]
        for partition, enabled in captured.get("clones", []):
            back.append(_triggers.set_enabled(partition, self.name, enabled))
        return one_transaction(*back)

    def verify(self, db: Database) -> list[Check]:
        if self.meanwhile is None or self.later is None:
            return Change.verify(self, db)
        detail = f"held until line {self.later.written.line} set it anew"
        return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]

    def lint(self) -> list[str]:
        notes = []
        if not self.fresh:
            notes.append(f"takes SHARE ROW EXCLUSIVE on {self.relation}, briefly: writes wait, reads do not")
        if self.meanwhile is not None and self.later and _STATES[self._command.subtype] == "D" and not self.fresh:
            notes.append(
                f"until line {self.later.written.line} the rows that others write do not pass the trigger either"
            )
        return notes


def _definition(enabled: str, clones: Sequence[str]) -> str:
    others = f", but {', '.join(clones)}" if clones else ""
    return f"{_triggers.COMMANDS[enabled]}{others}"
