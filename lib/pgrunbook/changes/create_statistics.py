"""CREATE STATISTICS: what the planner is to know of columns together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

from pgrunbook import sqlfile
from pgrunbook.changes import _constraints, _types
from pgrunbook.changes._base import (
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Statement,
    one_transaction,
    quoted,
)
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_SCRATCH = "pgrunbook_statistics"


@dataclass(frozen=True, slots=True)
class CreateStatistics(Defined):
    """One CREATE STATISTICS. `there_before`: whether an earlier change makes (or drops) it."""

    kind: ClassVar[str] = "create_statistics"

    there_before: bool | None = None

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateStatistics | None:
        node: Any = statement.node
        if statement.node_kind != "create_stats_stmt" or len(node.defnames) > 2:
            return None
        of_one_table = len(node.relations) == 1 and node.relations[0].WhichOneof("node") == "range_var"
        return cls(statement) if of_one_table else None

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _table(self) -> Any:
        return self._node.relations[0].range_var

    @property
    def _name(self) -> tuple[str, str]:
        """Schema and name, both empty where none is written."""
        parts = [n.string.sval for n in self._node.defnames]
        return _types.name_of(parts) if parts else ("", "")

    @property
    def label(self) -> str:
        return self._name[1] or self._chosen()

    @property
    def object(self) -> str:
        return quoted(self._name[0], self.label)

    @property
    def subject(self) -> str:
        return f"statistics {self.object}"

    @property
    def relation(self) -> str:
        return quoted(self._table.schemaname, self._table.relname)

    @property
    def creates_in(self) -> str:
        return self._name[0]

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"statistics {self.object}",)

    @property
    def replaces(self) -> bool:
        return self.there_before is False  # an earlier change drops the one that stands there

    def _chosen(self, number: int = 0) -> str:
        """The name that the server gives it, where that is free."""
        columns = [e.stats_elem.name or "expr" for e in self._node.exprs]
        return _constraints.chosen_name(self._table.relname, columns, f"stat{number or ''}")

    def resolve(self, names: Names) -> CreateStatistics:
        table = names.relation(self._table.schemaname, self._table.relname, self.written, "rpmf")
        schema, name = self._name
        # the server puts what it names itself beside the table
        schema = _types.schema_for_new(names, schema, name, self.written) if name else table.schema
        if name:
            return self._named(names, table.schema, schema, name)
        for number in count():
            found = self._named(names, table.schema, schema, self._chosen(number))
            taken = found.there_before or (table.oid and not found.stands_free(names.db))
            if not taken:
                return found
        raise AssertionError  # count() has no end

    def _named(self, names: Names, of_table: str, schema: str, name: str) -> CreateStatistics:
        def qualify(node: Any) -> None:
            node.relations[0].range_var.schemaname = of_table
            node.relations[0].range_var.inh = True
            _types.rename(node.defnames, schema, name)
            node.if_not_exists = False
            _quote(node)

        written = part_of(self.written, qualify)
        before = names.there.get(f"statistics {quoted(schema, name)}")
        return CreateStatistics(written, self.options, there_before=before)

    def stands_free(self, db: Database) -> bool:
        """Whether its name is not another's."""
        return self.now(db) in (None, self._planned(db)[0])

    def follow(self, names: Names) -> None:
        names.there[self.subject] = True

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        return _definition(db, *self._name)

    def planned(self, db: Database) -> str | None:
        schema, name = self._name
        table = self._table

        def on_copy(node: Any) -> None:
            _quote(node)
            node.relations[0].range_var.schemaname = "pg_temp"
            _types.rename(node.defnames, "pg_temp", _SCRATCH)

        def on_table(node: Any) -> None:
            _quote(node)
            node.relations[0].range_var.CopyFrom(table)
            _types.rename(node.defnames, schema, name)

        with scratch(db, self):
            copy_table(db, self.relation, table.relname)
            _types.search_own_last(db)
            db.execute(sqlfile.rewritten(self.written.sql, on_copy))
            temporary = str(db.value("select nspname from pg_catalog.pg_namespace where oid = pg_my_temp_schema()"))
            made = _definition(db, temporary, _SCRATCH)
        return made and sqlfile.rewritten(made, on_table)

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what stands there is dropped by another change
        return {"before": None}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(self.written.sql))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(f"drop statistics {self.object}"))

    def _statement(self, text: str) -> Statement:
        return Statement(text, LockMode.SHARE_UPDATE_EXCLUSIVE, self.relation)

    def lint(self) -> list[str]:
        return [f"has no effect before the next ANALYZE of {self.relation}; autovacuum does it once enough rows change"]


def _definition(db: Database, schema: str, name: str) -> str | None:
    """The definition in one spelling, whatever the server's version."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        found = db.one("statistics", _Statistics, schema=schema, name=name)
    return None if found is None else sqlfile.rewritten(found.definition, _quote)


def _quote(node: Any) -> None:
    """Write the names of columns as expressions where they have to be quoted: the deparser does not quote them."""
    for element in (e.stats_elem for e in node.exprs):
        name = element.name
        if name and quoted(name) != name:
            element.expr.column_ref.fields.add().string.sval = name
            element.name = ""


@dataclass(frozen=True, slots=True)
class _Statistics:
    definition: str
