"""DROP FUNCTION and DROP PROCEDURE: the way back makes it again, with its owner, privileges and comment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _definitions
from pgrunbook.changes._base import Names, Phase, Statement, Transaction
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._dropped import Dropped, names_in, plain
from pgrunbook.changes._functions import Signature, signature_of
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class _Named:
    oid: int
    schema: str
    name: str
    types: list[str]


@dataclass(frozen=True, slots=True)
class DropFunction(Dropped):
    """One function of a DROP FUNCTION, PROCEDURE or ROUTINE; `arguments` are its types as the catalog spells them."""

    kind: ClassVar[str] = "drop_function"
    remade: ClassVar[bool] = True
    objects: ClassVar[Mapping[int, str]] = {
        _PB.OBJECT_FUNCTION: "function", _PB.OBJECT_PROCEDURE: "procedure", _PB.OBJECT_ROUTINE: "routine",
    }  # fmt: skip

    arguments: tuple[str, ...] | None = None

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Self | None:
        node: Any = statement.node
        made = cls._one_of(statement)
        if made is None:
            return None
        signature = signature_of(node.objects[0].object_with_args)
        return replace(made, arguments=signature.types) if signature else None

    @property
    def signature(self) -> Signature:
        return Signature(self.schema, self.name, self.arguments)

    @property
    def object(self) -> str:
        return str(self.signature)

    @property
    def subject(self) -> str:
        return f"function {self.object}"

    def _found(self, names: Names) -> Self:
        found = _named(names.db, self.signature)
        if self.arguments is None:
            self._require_arguments(names, found)
            return replace(self, schema=self.schema or names.creation_schema)
        if found:
            self._require_schema(names, found[0].schema)
        arguments = tuple(_type(names, t) for t in self.arguments)
        schema = found[0].schema if found else self.schema or names.creation_schema
        return replace(self, schema=schema, arguments=arguments)

    def _made_before(self, names: Names) -> bool:
        return self.object in names.functions or Dropped._made_before(self, names)

    def _require_arguments(self, names: Names, found: list[_Named]) -> None:
        """Raise `PreflightFailed` for a name without types that means a function: gone, it would tell nothing."""
        signatures = [str(Signature(f.schema, f.name, tuple(f.types))) for f in found]
        signatures += [text for text in names.functions if text.startswith(f"{quoted(self.schema, self.name)}(")]
        if signatures:
            raise errors.PreflightFailed(
                f"{self._where} drops {self.object} without the types of its arguments; once it is gone, nobody can "
                "tell which one was meant",
                remedy=f"write it as {signatures[0]}",
            )

    def resolved_sql(self) -> str:
        text = f"drop {self._word} if exists {self.object}"
        return sqlfile.rewritten(text, plain)

    def follow(self, names: Names) -> None:
        names.functions = [f for f in names.functions if f != self.object]

    def find(self, db: Database) -> Found | None:
        if self.arguments is None:
            return None
        found = _named(db, self.signature)
        return Found(_definitions.FUNCTION, found[0].oid) if found else None

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        phases = Dropped.undo(self, captured)
        # a body may name what the search_path of the session does not lead to
        lenient = self._on("set local check_function_bodies to off")
        return [Transaction((lenient, *_statements(phases)))] if phases else []


def _named(db: Database, wanted: Signature) -> list[_Named]:
    types = None if wanted.types is None else list(wanted.types)
    return db.fetch("functions_named", _Named, schema=wanted.schema, name=wanted.name, types=types)


def _statements(phases: list[Phase]) -> list[Statement]:
    return [statement for phase in phases for statement in phase.statements]


def _type(names: Names, written: str) -> str:
    """A type as the catalog spells it with its schema; one that is not there would be in the schema of new objects."""
    oid = names.db.value("select pg_catalog.to_regtype($1)::oid::int8", [written])
    if oid is None:
        several = "[]" * written.endswith("[]")
        node: Any = sqlfile.split(f"drop type {written.removesuffix('[]')}")[0].node
        name = names_in(node.objects[0])
        return (quoted(*name) if len(name) > 1 else quoted(names.creation_schema, *name)) + several
    with names.db.transaction(rollback=True, search_path="pg_catalog"):
        return str(names.db.value("select format_type($1, null)", [oid]))
