"""CREATE SEQUENCE: known by its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pgrunbook import sqlfile
from pgrunbook.changes import _sequences
from pgrunbook.changes._base import (
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    Statement,
    one_transaction,
)
from pgrunbook.changes._made import MakesRelation
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._tables import creation_schema, is_elsewhere
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement


@dataclass(frozen=True, slots=True)
class CreateSequence(MakesRelation, Defined):
    """One CREATE SEQUENCE. `altered` are the settings that later changes take up."""

    kind: ClassVar[str] = "create_sequence"
    letter: ClassVar[str] = "S"

    altered: frozenset[str] = frozenset()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateSequence | None:
        node: Any = statement.node
        if statement.node_kind != "create_seq_stmt" or is_elsewhere(node.sequence):
            return None
        return cls(statement)

    @property
    def _range(self) -> Any:
        return self._node.sequence

    @property
    def subject(self) -> str:
        return f"sequence {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"sequence {self.object}", f"relation {self.object}")

    def resolve(self, names: Names) -> CreateSequence:
        schema = self.schema or creation_schema(names, self.written, self.name)

        def qualify(node: Any) -> None:
            node.sequence.schemaname = schema
            _sequences.with_owner(names, node, self.written)

        return CreateSequence(part_of(self.written, qualify), self.options)

    def resolved_sql(self) -> str:
        return self.written.sql

    def followed_by(self, later: Sequence[Change]) -> Change:
        known = Defined.followed_by(self, later)
        return replace(self, later=known.later, altered=_sequences.altered_by(later, self.schema, self.name))

    def now(self, db: Database) -> str | None:
        found = _sequences.find(db, self.object)
        if found:
            return found.told(self.altered) + (", of an identity column" if found.identity else "")
        other = db.one("relation", Relation, name=self.object)
        return f"a relation of kind {other.kind}" if other else None

    def planned(self, db: Database) -> str | None:
        made = _sequences.made(db, self, _sequences.in_scratch(self.written.sql))
        owner = _sequences.owner_of(_sequences.options_of(self._node)) or _sequences.NOBODY
        settings = replace(made, owned_by=owner, persistence=self._node.sequence.relpersistence)
        return settings.told(self.altered)

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what may stand there goes by another change
        return {"before": None, "altered": sorted(self.altered)}

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        return Defined.since(replace(self, altered=frozenset(captured.get("altered", ()))), db, captured)

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        def plain(node: Any) -> None:
            node.if_not_exists = False  # a name alone is no proof

        return one_transaction(Statement(sqlfile.rewritten(self.written.sql, plain), LockMode.NONE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(f"drop sequence {self.object}", LockMode.ACCESS_EXCLUSIVE, self.object))
