"""CREATE TYPE: enums, composite types and ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import _types
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
    quoted,
)
from pgrunbook.changes._functions import spelled
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import scratch
from pgrunbook.changes._types import SCRATCH, EnumChange, NewType
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_MULTIRANGE = "multirange_type_name"
_MULTIRANGE_SINCE = 140000
_NAME_BYTES = 63
_STEM_BYTES = 52


@dataclass(frozen=True, slots=True)
class CreateType(NewType):
    """One CREATE TYPE.

    `later_values` are the changes of the same migration that give an enum other values, `added` what they left there.
    """

    kind: ClassVar[str] = "create_type"

    later_values: tuple[EnumChange, ...] = ()
    added: tuple[str, ...] = ()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateType | None:
        node: Any = statement.node
        match statement.node_kind:
            case "create_enum_stmt":
                name = [n.string.sval for n in node.type_name]
            case "composite_type_stmt":
                name = [node.typevar.schemaname, node.typevar.relname]
                if node.typevar.catalogname or any(c.column_def.type_name.pct_type for c in node.coldeflist):
                    return None
            case "create_range_stmt":
                name = [n.string.sval for n in node.type_name]
                if _parameter(node, "canonical"):  # a function of the type, which has to be there before it as a shell
                    return None
            case _:
                return None
        return cls(statement) if len(name) <= 2 and name[0] != "pg_temp" else None

    @property
    def _is_composite(self) -> bool:
        return self.written.node_kind == "composite_type_stmt"

    @property
    def _name(self) -> tuple[str, str]:
        if self._is_composite:
            return str(self._node.typevar.schemaname), str(self._node.typevar.relname)
        return _types.name_of(n.string.sval for n in self._node.type_name)

    @property
    def enum_name(self) -> tuple[str, str] | None:
        """Schema (empty where none is written) and name of the enum that it makes."""
        return self._name if self.written.node_kind == "create_enum_stmt" else None

    @property
    def makes(self) -> Relation | None:
        return Relation(0, *self._name, "c") if self._is_composite else None

    @property
    def idents(self) -> tuple[str, ...]:
        if self.written.node_kind == "create_enum_stmt":
            return (self.subject, f"enum {self.object}")
        if self._is_composite:
            columns = [f"column {quoted(*self._name, c.column_def.colname)}" for c in self._node.coldeflist]
            return (self.subject, f"relation {self.object}", *columns)
        own, several = self.object, quoted(*self._multirange)
        subtype = spelled(_parameter(self._node, "subtype"))
        maker = quoted(self._name[0], self._multirange[1])
        made = (f"{own}({subtype},{subtype})", f"{own}({subtype},{subtype},text)",
                f"{maker}()", f"{maker}({own})", f"{maker}({own}[])")  # fmt: skip
        return (self.subject, f"type {several}", f"cast {own} as {several}", *(f"function {name}" for name in made))

    @property
    def _multirange(self) -> tuple[str, str]:
        """The type of many ranges that the server makes beside a range (from 14 on)."""
        if given := _parameter(self._node, _MULTIRANGE):
            return _types.name_of(n.string.sval for n in given.names)
        return self._name[0], chosen_multirange(self._name[1])

    def resolve(self, names: Names) -> CreateType:
        schema = _types.schema_for_new(names, *self._name, self.written)
        name = self._name[1]

        def qualify(node: Any) -> None:
            if self._is_composite:
                node.typevar.schemaname = schema
                return
            _types.rename(node.type_name, schema, name)
            if self.written.node_kind == "create_range_stmt" and (given := _parameter(node, _MULTIRANGE)):
                own, several = _types.name_of(n.string.sval for n in given.names)
                _types.rename(given.names, own or names.creation_schema, several)

        before = names.there.get(_types.subject(schema, name))
        return CreateType(part_of(self.written, qualify), self.options, there_before=before)

    def followed_by(self, later: Sequence[Change]) -> Change:
        known = Change.followed_by(self, later)
        name, values = self.object, list[EnumChange]()
        for change in later:
            if isinstance(change, EnumChange) and change.enum == name:
                values.append(change)
            elif getattr(change, "renames", False) and str(getattr(change, "old", "")) == name:
                name = str(getattr(change, "new", name))
        return replace(self, later=known.later, later_values=tuple(values))

    def now(self, db: Database) -> str | None:
        found = _types.found(db, self.object)
        if found is None:
            return None
        labels = [label for label in found.labels if label not in self.added]
        for change in reversed(self.later_values):
            labels = change.without(labels)
        return _shown(found.definition, labels, found.multirange)

    def planned(self, db: Database) -> str | None:
        if self.written.node_kind == "create_enum_stmt":
            return _shown("enum", [v.string.sval for v in self._node.vals], None)
        with scratch(db, self):
            _types.search_own_last(db)
            db.execute(self._on_scratch(db))
            found = _types.found(db, quoted("pg_temp", SCRATCH))
        if found is None:
            return None
        return _shown(found.definition, [], found.multirange and quoted(*self._multirange))

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what stands there is dropped by another change
        # no value can be taken out again: those that this migration adds are still there when it is undone
        return {"before": None, "added": [c.adds for c in self.later_values if c.adds]}

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        known = replace(self, added=tuple(captured.get("added", ())))
        return Defined.since(known, db, captured)

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(f"drop type {self.object}", LockMode.NONE, ""))

    def _on_scratch(self, db: Database) -> str:
        def in_temp(node: Any) -> None:
            if self._is_composite:
                node.typevar.schemaname, node.typevar.relname = "pg_temp", SCRATCH
                return
            _types.rename(node.type_name, "pg_temp", SCRATCH)
            if db.version < _MULTIRANGE_SINCE:
                return
            kept = [p for p in node.params if p.def_elem.defname != _MULTIRANGE]
            del node.params[:]
            node.params.extend(kept)
            given = node.params.add().def_elem
            given.defname, given.defaction, given.arg.type_name.typemod = _MULTIRANGE, _PB.DEFELEM_UNSPEC, -1
            _types.rename(given.arg.type_name.names, "pg_temp", f"{SCRATCH}_multirange")

        return sqlfile.rewritten(self.written.sql, in_temp)


def chosen_multirange(name: str) -> str:
    """The name that the server gives a range's multirange, as its makeMultirangeTypeName does.

    >>> chosen_multirange("price_range"), chosen_multirange("span"), len(chosen_multirange("x" * 63))
    ('price_multirange', 'span_multirange', 63)
    """
    if "range" in name:
        made = name.replace("range", "multirange", 1)
    else:
        made = name.encode()[:_STEM_BYTES].decode(errors="ignore") + "_multirange"
    return made.encode()[:_NAME_BYTES].decode(errors="ignore")


def _parameter(node: Any, name: str) -> Any | None:
    """The TypeName that a range's parameter is given; the grammar folds the names of parameters."""
    found = (p.def_elem for p in node.params if p.def_elem.defname == name)
    return next((f.arg.type_name for f in found), None)


def _shown(definition: str, labels: Sequence[str], multirange: str | None) -> str:
    values = f" ({', '.join(map(_types.literal, labels))})" if definition == "enum" else ""
    return definition + values + (f", with {multirange}" if multirange else "")
