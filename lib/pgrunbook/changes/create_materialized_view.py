"""CREATE MATERIALIZED VIEW: known by its query and options; its rows are those of what it reads, so none are lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import _types
from pgrunbook.changes._base import (
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    one_transaction,
    quoted,
)
from pgrunbook.changes._made import MakesRelation
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import scratch
from pgrunbook.changes.alter_setting import plain, value_of
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_SCRATCH = "pgrunbook_view"  # no name of a table that it may read


@dataclass(frozen=True, slots=True)
class _Found:
    query: str
    options: list[str]
    tablespace: str
    kind: str
    populated: bool


@dataclass(frozen=True, slots=True)
class CreateMaterializedView(MakesRelation, Defined):
    """One CREATE MATERIALIZED VIEW."""

    kind: ClassVar[str] = "create_materialized_view"
    letter: ClassVar[str] = "m"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateMaterializedView | None:
        node: Any = statement.node
        if statement.node_kind != "create_table_as_stmt" or node.objtype != _PB.OBJECT_MATVIEW:
            return None
        return None if node.into.rel.catalogname or node.into.access_method else cls(statement)

    @property
    def _range(self) -> Any:
        return self._node.into.rel

    @property
    def subject(self) -> str:
        return f"view {self.object}"  # as the change that drops one calls it

    @property
    def together(self) -> str:
        return f"relation {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        targets = [t.res_target for t in self._node.query.select_stmt.target_list]
        written = [t.name or (t.val.column_ref.fields or [None])[-1] for t in targets]
        names = [str(w if isinstance(w, str) else w.string.sval) for w in written if w]
        aliases = [str(a.string.sval) for a in self._node.into.col_names]
        columns = [*aliases, *(n for n in names[len(aliases) :] if n)]
        return (f"relation {self.object}", *(f"column {quoted(self.schema, self.name, c)}" for c in columns))

    def resolve(self, names: Names) -> CreateMaterializedView:
        schema = _types.schema_for_new(names, self.schema, self.name, self.written)

        def qualify(node: Any) -> None:
            node.into.rel.schemaname = schema
            node.if_not_exists = False  # the plan looked: a name alone is no proof

        return CreateMaterializedView(part_of(self.written, qualify), self.options)

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        found = _found(db, self.object)
        if found and found.kind == "m":
            options = {name: value for name, _, value in (o.partition("=") for o in found.options)}
            return _definition(found.query, options, found.tablespace)
        other = db.one("relation", Relation, name=self.object)
        return f"a relation of another kind ({other.kind})" if other else None

    def planned(self, db: Database) -> str | None:
        """Its query is seen as a temporary view's, since there are no temporary ones of its own kind."""

        def edit(node: Any) -> None:
            node.query.CopyFrom(self._node.query)
            for column in self._node.into.col_names:
                node.aliases.add().CopyFrom(column)

        into = self._node.into
        with scratch(db, self):
            db.execute(sqlfile.rewritten(f"create temp view {_SCRATCH} as select 1", edit))
            found = _found(db, quoted("pg_temp", _SCRATCH))
        options = {o.def_elem.defname: value_of(o.def_elem) for o in into.options}
        return _definition(found.query, options, into.table_space_name) if found else None

    def _state(self, db: Database) -> Observation:
        seen = Defined._state(self, db)
        found = None if self._node.into.skip_data else _found(db, self.object)
        if seen.state is State.PRESENT and found and not found.populated:
            return Observation(State.DIFFERENT, f"can't be read until it is filled: refresh it; found: {seen.detail}")
        return seen

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.ACCESS_SHARE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(
            Statement(f"drop materialized view {self.object}", LockMode.ACCESS_EXCLUSIVE, self.object)
        )

    def lint(self) -> list[str]:
        notes = [
            "reads with its owner's rights when it is filled, and row level security does not hold its readers: who "
            "may read it sees all that its owner saw"
        ]
        if self._node.into.skip_data:
            return [*notes, "holds nothing, and can't be read, until it is refreshed"]
        return [*notes, "its query runs as a whole inside the statement; nobody waits for it"]


def _definition(query: str, options: Mapping[str, str | None], tablespace: str) -> str:
    shown = json.dumps({name: plain(value) for name, value in sorted(options.items())})
    words = [f" with {shown}" if options else "", f" tablespace {quoted(tablespace)}" if tablespace else ""]
    return f"materialized view {query}{''.join(words)}"


def _found(db: Database, name: str) -> _Found | None:
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("materialized_view", _Found, name=name)
