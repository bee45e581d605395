"""ALTER … RENAME: the object stays what it is, and the undo gives it its old name back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook.changes import _functions, _types
from pgrunbook.changes._base import Names
from pgrunbook.changes._places import Place, Sort
from pgrunbook.changes._policy import row_security_of
from pgrunbook.changes._renames import Moved
from pgrunbook.changes._types import EnumChange
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
RELATIONS = {
    _PB.OBJECT_TABLE: Sort("table", "relation", "rpvmfiIS"),  # the server takes it for all of them
    _PB.OBJECT_VIEW: Sort("view", "relation", "v"),
    _PB.OBJECT_MATVIEW: Sort("materialized view", "relation", "m"),
    _PB.OBJECT_FOREIGN_TABLE: Sort("foreign table", "relation", "f"),
    _PB.OBJECT_SEQUENCE: Sort("sequence", "relation", "S"),
    _PB.OBJECT_INDEX: Sort("index", "relation", "iI"),
}
FUNCTIONS = {
    _PB.OBJECT_FUNCTION: Sort("function", "function"),
    _PB.OBJECT_PROCEDURE: Sort("procedure", "function"),
    _PB.OBJECT_ROUTINE: Sort("routine", "function"),
}
TYPES = {_PB.OBJECT_TYPE: Sort("type", "type"), _PB.OBJECT_DOMAIN: Sort("domain", "type")}
_PARTS = {
    _PB.OBJECT_TABCONSTRAINT: Sort("constraint", "constraint"),
    _PB.OBJECT_TRIGGER: Sort("trigger", "trigger"),
    _PB.OBJECT_POLICY: Sort("policy", "policy"),
}
_COLUMNS = {
    _PB.OBJECT_TABLE: Sort("table", "column"),
    _PB.OBJECT_VIEW: Sort("view", "column"),
    _PB.OBJECT_MATVIEW: Sort("materialized view", "column"),
    _PB.OBJECT_FOREIGN_TABLE: Sort("foreign table", "column"),
    _PB.OBJECT_TYPE: Sort("type", "column"),
}
SCHEMA = Sort("schema", "schema")
_VALUE = Sort("enum value", "value")


@dataclass(frozen=True, slots=True)
class Rename(Moved):
    """One RENAME; `renamed` is the new name."""

    kind: ClassVar[str] = "rename"

    renamed: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Rename | None:
        node: Any = statement.node
        if statement.node_kind == "alter_enum_stmt" and node.old_val and 0 < len(node.type_name) <= 2:
            schema, name = _types.name_of(n.string.sval for n in node.type_name)
            return RenameValue(statement, old=Place(_VALUE, schema, name, node.old_val), renamed=node.new_val)
        old = _place(node) if statement.node_kind == "rename_stmt" else None
        if old is None:
            return None
        kind = RenamePolicy if old.sort.what == "policy" else Rename
        return kind(statement, old=old, renamed=node.newname)

    @property
    def new(self) -> Place:
        return replace(self.old, name=self.renamed)

    def resolve(self, names: Names) -> Rename:
        found = self._resolved(names)
        assert isinstance(found, Rename)  # noqa: S101
        return found

    def _moving(self, one: Place, other: Place) -> str:
        word, name, to = self.sort.word, quoted(one.name), quoted(other.name)
        match self.sort.what:
            case "column":
                part = "attribute" if word == "type" else "column"
                return f"alter {word} {one.holder} rename {part} {name} to {to}"
            case "constraint":
                return f"alter table {one.holder} rename constraint {name} to {to}"
            case "trigger" | "policy":
                return f"alter {word} {name} on {one.holder} rename to {to}"
            case "value":
                return (
                    f"alter type {one.holder} rename value {_types.literal(one.name)} to {_types.literal(other.name)}"
                )
            case _:
                return f"alter {word} {one} rename to {to}"


@dataclass(frozen=True, slots=True)
class RenamePolicy(Rename):
    """A policy's RENAME, which is committed with the rest of its table's row security."""

    gathers_at_end: ClassVar[bool] = True
    renames: ClassVar[bool] = False

    @property
    def together(self) -> str:
        return row_security_of(self.relation)


@dataclass(frozen=True, slots=True)
class RenameValue(Rename, EnumChange):
    """ALTER TYPE … RENAME VALUE."""

    @property
    def enum(self) -> str:
        return self.old.holder

    def without(self, labels: Sequence[str]) -> list[str]:
        if self.old.name in labels:
            return list(labels)
        return [self.old.name if label == self.renamed else label for label in labels]


def _place(node: Any) -> Place | None:
    """The name that an ALTER … RENAME is given to change; None for what is of no known sort."""
    if node.relation.catalogname or node.behavior == _PB.DROP_CASCADE:
        return None
    schema, relation = str(node.relation.schemaname), str(node.relation.relname)
    kind = node.rename_type
    if kind in RELATIONS:
        return Place(RELATIONS[kind], schema, "", relation)
    if kind in _PARTS:
        return Place(_PARTS[kind], schema, relation, node.subname)
    if kind in (_PB.OBJECT_COLUMN, _PB.OBJECT_ATTRIBUTE):
        sort = _COLUMNS.get(node.relation_type)
        return Place(sort, schema, relation, node.subname) if sort else None
    if kind == _PB.OBJECT_SCHEMA:
        return Place(SCHEMA, "", "", node.subname)
    return named(kind, node.object)


def named(kind: int, node: Any) -> Place | None:
    """The function or type that a node names."""
    if kind in FUNCTIONS:
        signature = _functions.signature_of(node.object_with_args)
        if signature is None:
            return None
        return Place(FUNCTIONS[kind], signature.schema, "", signature.name, signature.types)
    if kind in TYPES:
        names = [n.string.sval for n in node.list.items]
        if 0 < len(names) <= 2:
            schema, name = _types.name_of(names)
            return Place(TYPES[kind], schema, "", name)
    return None
