"""COMMENT ON: the old text comes back with the undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import postgast
from psycopg.sql import Literal

from pgrunbook.changes import _functions
from pgrunbook.changes._base import (
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.changes._functions import Signature
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_NONE = "null"
_BY_ONE_NAME = ("schema", "extension")


class _Sort(NamedTuple):
    """How COMMENT ON calls an object, what sort it is (as comment.sql says), and of which kinds a relation may be."""

    word: str
    what: str
    kinds: str = ""


_UNKNOWN = _Sort("", "")
_SORTS = {
    _PB.OBJECT_TABLE: _Sort("table", "relation", "rp"),
    _PB.OBJECT_VIEW: _Sort("view", "relation", "v"),
    _PB.OBJECT_MATVIEW: _Sort("materialized view", "relation", "m"),
    _PB.OBJECT_FOREIGN_TABLE: _Sort("foreign table", "relation", "f"),
    _PB.OBJECT_SEQUENCE: _Sort("sequence", "relation", "S"),
    _PB.OBJECT_INDEX: _Sort("index", "relation", "iI"),
    _PB.OBJECT_COLUMN: _Sort("column", "column", "rpvmfc"),
    _PB.OBJECT_TABCONSTRAINT: _Sort("constraint", "constraint", "rpf"),
    _PB.OBJECT_TRIGGER: _Sort("trigger", "trigger", "rpvf"),
    _PB.OBJECT_POLICY: _Sort("policy", "policy", "rp"),
    _PB.OBJECT_RULE: _Sort("rule", "rule", "rpvmf"),
    _PB.OBJECT_FUNCTION: _Sort("function", "function"),
    _PB.OBJECT_PROCEDURE: _Sort("procedure", "function"),
    _PB.OBJECT_ROUTINE: _Sort("routine", "function"),
    _PB.OBJECT_SCHEMA: _Sort("schema", "schema"),
    _PB.OBJECT_TYPE: _Sort("type", "type"),
    _PB.OBJECT_DOMAIN: _Sort("domain", "type"),
    _PB.OBJECT_EXTENSION: _Sort("extension", "extension"),
    _PB.OBJECT_STATISTIC_EXT: _Sort("statistics", "statistics"),
}


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    ident: str


@dataclass(frozen=True, slots=True)
class Comment(Defined):
    """One COMMENT ON. `table` is empty but for what belongs to a table; `ident` is the fingerprint's name for it."""

    kind: ClassVar[str] = "comment"

    sort: _Sort = _UNKNOWN
    schema: str = ""
    table: str = ""
    name: str = ""
    types: tuple[str, ...] | None = None
    ident: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Comment | None:
        if statement.node_kind != "comment_stmt":
            return None
        node: Any = statement.node
        sort = _SORTS.get(node.objtype)
        if sort is None:
            return None
        change = cls(statement, sort=sort)
        if sort.what == "function":
            signature = _functions.signature_of(node.object.object_with_args)
            if signature is None:
                return None
            return replace(change, schema=signature.schema, name=signature.name, types=signature.types)
        if sort.what in _BY_ONE_NAME:
            return replace(change, name=node.object.string.sval)
        named = node.object.type_name.names if sort.what == "type" else node.object.list.items
        names = [n.string.sval for n in named]
        if sort.what == "type" and (node.object.type_name.array_bounds or node.object.type_name.typmods):
            return None
        of_table = sort.what not in ("relation", "type", "statistics")
        if len(names) > 2 + of_table:
            return None
        *schema, table, name = names if of_table else [*names[:-1], "", names[-1]]
        return replace(change, schema=(schema or [""])[0], table=table, name=name)

    @property
    def text(self) -> str:
        """The comment; empty for none, as the server has it too."""
        node: Any = self.written.node
        return str(node.comment)

    @property
    def signature(self) -> Signature:
        return Signature(self.schema, self.name, self.types)

    @property
    def address(self) -> str:
        """The object as COMMENT ON names it."""
        if not self.table:
            return f"{self.sort.word} {self.signature}"
        if self.sort.what == "column":
            return f"column {self.object}"
        return f"{self.sort.word} {quoted(self.name)} on {quoted(self.schema, self.table)}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.name) if self.table else str(self.signature)

    @property
    def subject(self) -> str:
        return f"comment on {self.address}"

    @property
    def relation(self) -> str:
        if self.table:
            return quoted(self.schema, self.table)
        return self.object if self.sort.what == "relation" else ""

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"comment {self.ident}",) if self.ident else ()

    @property
    def replaces(self) -> bool:
        return True

    def resolve(self, names: Names) -> Comment:
        known = self
        if self.sort.kinds:
            found = names.relation(self.schema, self.table or self.name, self.written, self.sort.kinds)
            known = replace(self, schema=found.schema)
        elif self.sort.what == "function":
            function = _functions.resolved(names, self.signature, self.written)
            known = replace(self, schema=function.schema, types=function.types)
        elif self.sort.what == "type":
            named = _functions.type_named(names, self.signature, self.written)
            known = replace(self, schema=named.schema, name=named.name)
        elif self.sort.what == "statistics":
            known = replace(self, schema=self._statistics_schema(names))
        there = known._found(names.db)
        return replace(known, ident=there.ident if there else "")

    def _statistics_schema(self, names: Names) -> str:
        """The schema of a statistics object; the one where it would be made for one that is not there yet."""
        if self.schema:
            return self.schema
        path = [s for s in names.search_path if names.has_schema(s)]
        for schema in path:
            known = replace(self, schema=schema)
            if names.there.get(f"statistics {known.object}") or known._found(names.db):
                return schema
        return names.creation_schema

    def resolved_sql(self) -> str:
        return self._sql(self.planned(None))

    def now(self, db: Database) -> str | None:
        found = self._found(db)
        return None if found is None else _definition(found.text)

    def planned(self, db: Database | None) -> str:  # noqa: ARG002
        return _definition(self.text)

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        if self.now(db) is None:
            return Observation(State.ABSENT, "its object is not there any more")
        return Defined.since(self, db, captured)

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(self.planned(None)))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return one_transaction(self._statement(captured.get("before") or _NONE))

    def _statement(self, definition: str) -> Statement:
        if not self.relation:
            return Statement(self._sql(definition), LockMode.NONE, "")
        of_relation = self.sort.what in ("relation", "column")
        lock = LockMode.SHARE_UPDATE_EXCLUSIVE if of_relation else LockMode.ACCESS_SHARE
        return Statement(self._sql(definition), lock, self.relation)

    def _sql(self, definition: str) -> str:
        return f"comment on {self.address} is {definition}"

    def _found(self, db: Database) -> _Found | None:
        oid = _functions.oid_of(db, self.signature) if self.sort.what == "function" else None
        return db.one(
            "comment",
            _Found,
            what=self.sort.what,
            named=quoted(self.schema, self.name),
            on=quoted(self.schema, self.table) if self.table else None,
            name=self.name,
            schema=self.schema,
            oid=oid,
        )


def _definition(text: str) -> str:
    """A comment as SQL has it behind IS."""
    return Literal(text).as_string().strip() if text else _NONE
