"""ALTER TYPE … ADD VALUE: PostgreSQL takes no value out of an enum again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from pgrunbook.changes import _types
from pgrunbook.changes._base import (
    NOTHING_THERE,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._types import EnumChange
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

# in the transaction that makes the type, a value that is added to it can be used
_USED_AT_ONCE_SINCE = 170000


@dataclass(frozen=True, slots=True)
class AddEnumValue(EnumChange):
    """One ALTER TYPE … ADD VALUE [BEFORE or AFTER another]."""

    kind: ClassVar[str] = "add_enum_value"
    destroys: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AddEnumValue | None:
        node: Any = statement.node
        if statement.node_kind != "alter_enum_stmt" or node.old_val or not 0 < len(node.type_name) <= 2:
            return None
        return cls(statement)

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _name(self) -> tuple[str, str]:
        return _types.name_of(n.string.sval for n in self._node.type_name)

    @property
    def enum(self) -> str:
        return quoted(*self._name)

    @property
    def value(self) -> str:
        """The value that it adds."""
        return str(self._node.new_val)

    @property
    def adds(self) -> str:
        return self.value

    @property
    def object(self) -> str:
        return f"{self.enum} {_types.literal(self.value)}"

    @property
    def subject(self) -> str:
        return f"enum value {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"enum {self.enum}",)

    @property
    def irreversible(self) -> str:
        return "adds a value that PostgreSQL can't take out of an enum again"

    @property
    def takes_block_apart(self) -> bool:
        return True  # a new value can't be used before it is committed

    def resolve(self, names: Names) -> Self:
        found = _types.named(names, *self._name, self.written)

        def qualify(node: Any) -> None:
            _types.rename(node.type_name, found.schema, found.name)
            node.skip_if_new_val_exists = False

        return replace(self, written=part_of(self.written, qualify))

    def resolved_sql(self) -> str:
        return self.written.sql

    def without(self, labels: Sequence[str]) -> list[str]:
        return [label for label in labels if label != self.value]

    def state(self, db: Database) -> Observation:
        found = _types.found(db, self.enum)
        if found is None or self.value not in found.labels:
            return NOTHING_THERE
        labels, beside = found.labels, str(self._node.new_val_neighbor)
        shown = f"the values in order: {', '.join(map(_types.literal, labels))}"
        if beside not in labels:
            return Observation(State.PRESENT, shown)
        is_after = labels.index(self.value) > labels.index(beside)
        if is_after == bool(self._node.new_val_is_after):
            return Observation(State.PRESENT, shown)
        word = "after" if self._node.new_val_is_after else "before"
        return Observation(State.DIFFERENT, f"planned: {word} {_types.literal(beside)}; found {shown}")

    @property
    def if_different(self) -> str:
        return "leave the statement out if the order does not matter; values can't be moved"

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.NONE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return []

    def lint(self) -> list[str]:
        notes = [f"{self.irreversible}; a rollback leaves it"] if self.irreversible else []
        if self.takes_block_apart:
            notes.append("is committed by itself: what uses the new value has to come after that")
        return notes


@dataclass(frozen=True, slots=True)
class ValueOfNew(AddEnumValue):
    """A value of an enum that the same migration makes, whose undo drops the type; `apart`: committed before."""

    kind: ClassVar[str] = "value_of_new_enum"
    destroys: ClassVar[bool] = False

    apart: bool = True

    @property
    def irreversible(self) -> str:
        return ""

    def resolve(self, names: Names) -> Self:
        apart = self.apart or names.db.version < _USED_AT_ONCE_SINCE
        return AddEnumValue.resolve(replace(self, apart=apart), names)

    @property
    def of(self) -> str:
        """The subject of what makes its enum."""
        return _types.subject(*self._name)

    @property
    def takes_block_apart(self) -> bool:
        return self.apart


def of_new(statement: SqlStatement, made: Mapping[tuple[str, str], int]) -> ValueOfNew | None:
    """The change that a statement is if it adds a value to an enum made before it; `made` tells in which block."""
    change = ValueOfNew.from_ast(statement)
    if not isinstance(change, ValueOfNew):
        return None
    for (schema, name), block in made.items():
        if name == change._name[1] and ("" in (schema, change._name[0]) or schema == change._name[0]):
            return replace(change, apart=not block or block != statement.block)
    return None
