"""ALTER SEQUENCE … of its settings; where it counts from (RESTART) is data, and not taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from pgrunbook.changes import _sequences
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
from pgrunbook.changes._parts import part_of
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted


@dataclass(frozen=True, slots=True)
class AlterSequence(Defined):
    """One ALTER SEQUENCE: done where it would change nothing. `altered` are the settings that later changes take up."""

    kind: ClassVar[str] = "alter_sequence"

    altered: frozenset[str] = frozenset()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AlterSequence | None:
        node: Any = statement.node
        if statement.node_kind != "alter_seq_stmt" or node.for_identity:
            return None
        known = {o.defname for o in _sequences.options_of(node)} <= set(_sequences.SETTINGS)
        return cls(statement) if known and node.options else None

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def label(self) -> str:
        return str(self._node.sequence.relname)

    @property
    def object(self) -> str:
        return quoted(self._node.sequence.schemaname, self._node.sequence.relname)

    @property
    def subject(self) -> str:
        return f"{', '.join(self._options)} of sequence {self.object}"

    @property
    def _options(self) -> list[str]:
        """The names of its options."""
        return sorted({str(o.defname) for o in _sequences.options_of(self._node)})

    @property
    def _owner(self) -> str | None:
        return _sequences.owner_of(_sequences.options_of(self._node))

    @property
    def relation(self) -> str:
        return self.object

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"sequence {self.object}",)

    @property
    def replaces(self) -> bool:
        return True

    def resolve(self, names: Names) -> AlterSequence:
        found = names.relation(self._node.sequence.schemaname, self._node.sequence.relname, self.written, "S")

        def qualify(node: Any) -> None:
            node.sequence.schemaname, node.missing_ok = found.schema, False
            _sequences.with_owner(names, node, self.written)

        return AlterSequence(part_of(self.written, qualify), self.options)

    def resolved_sql(self) -> str:
        return self.written.sql

    def followed_by(self, later: Sequence[Change]) -> Change:
        known = Defined.followed_by(self, later)
        schema, name = str(self._node.sequence.schemaname), self.label
        return replace(self, later=known.later, altered=_sequences.altered_by(later, schema, name))

    def now(self, db: Database) -> str | None:
        found = _sequences.find(db, self.object)
        return found.told(self.altered) if found else None

    def planned(self, db: Database) -> str | None:
        found = _sequences.find(db, self.object)
        if found is None:
            return None
        alone = self._options == ["owned_by"]
        made = found if alone else _sequences.made(db, self, _sequences.in_scratch(self.written.sql), found)
        return replace(made, owned_by=self._owner or found.owned_by).told(self.altered)

    def _state(self, db: Database) -> Observation:
        seen = Defined._state(self, db)
        found = _sequences.find(db, self.object)
        if seen.state is State.ABSENT and self._owner and found and found.identity:
            return Observation(State.DIFFERENT, f"planned: another owner; found: an identity column's own, {found}")
        return seen

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        if _sequences.find(db, self.object) is None:
            return Observation(State.ABSENT, "its sequence is not there any more")
        return Defined.since(self, db, captured)

    def capture(self, db: Database) -> dict[str, Any]:
        found = _sequences.find(db, self.object)
        return {"before": str(found), "settings": asdict(found)} if found else {"before": None}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(self.written.sql))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        if "settings" not in captured:  # it was not there yet, and goes with its making
            return []
        before = _sequences.Settings(**captured["settings"])
        own = [name for option in self._options for name in _sequences.SETTINGS[option]]
        return one_transaction(self._statement(f"alter sequence {self.object} {before.options(*own)}"))

    def _statement(self, sql: str) -> Statement:
        return Statement(sql, LockMode.SHARE_ROW_EXCLUSIVE, self.object)

    def lint(self) -> list[str]:
        if self.fresh:
            return []
        return [f"takes SHARE ROW EXCLUSIVE on {self.object}, briefly: whoever wants a number of it waits"]
