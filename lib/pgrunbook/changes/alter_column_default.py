"""ALTER COLUMN … SET DEFAULT or DROP DEFAULT: a brief ACCESS EXCLUSIVE lock, no row is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import Defined, LockMode, Names, Observation, Phase, State, Statement, one_transaction
from pgrunbook.changes._columns import AlterColumn, columns, columns_in_search
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_ALTERED = (_PB.OBJECT_TABLE, _PB.OBJECT_VIEW)
_NONE = "no default"


@dataclass(frozen=True, slots=True)
class AlterColumnDefault(AlterColumn):
    """One SET DEFAULT or DROP DEFAULT."""

    kind: ClassVar[str] = "alter_column_default"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AlterColumnDefault | None:
        node: Any = statement.node
        if statement.node_kind != "alter_table_stmt" or len(node.cmds) != 1 or node.objtype not in _ALTERED:
            return None
        is_this = node.cmds[0].alter_table_cmd.subtype == _PB.AT_ColumnDefault
        return cls(statement, schema=node.relation.schemaname) if is_this else None

    @property
    def label(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.column)

    @property
    def subject(self) -> str:
        return f"default of {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"column {self.object}",)

    def resolve(self, names: Names) -> AlterColumnDefault:
        table = names.relation(self.schema, self.table, self.written, "rpvf")
        found = columns(names.db, table.stands_as, self.column) if table.oid else []
        if found and (found[0].generated or found[0].identity):
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql changes the default of {table}.{quoted(self.column)}, whose "
                "values are generated",
                remedy="leave it out; or drop the expression or identity first",
            )
        return replace(self, schema=table.schema)

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.missing_ok = False

        return sqlfile.rewritten(self.written.sql, qualify)

    def now(self, db: Database) -> str | None:
        found = columns(db, self.relation, self.column)
        return (found[0].default or _NONE) if found else None

    def _apart(self, db: Database) -> list[str]:
        found = columns(db, self.relation, self.column)
        return [c.relation for c in found if c.default != found[0].default]

    def planned(self, db: Database) -> str | None:
        def on_copy(node: Any) -> None:
            node.relation.schemaname, node.relation.inh = "pg_temp", True
            node.objtype = _PB.OBJECT_TABLE

        if not getattr(self._command, "def").WhichOneof("node"):
            return _NONE
        with scratch(db, self):
            copy = copy_table(db, self.relation, self.table)
            db.execute(sqlfile.rewritten(self.resolved_sql(), on_copy))
            db.value("select pg_catalog.set_config('search_path', 'pg_catalog', true)")
            found = columns_in_search(db, copy, self.column)
        return found[0].default or _NONE

    def capture(self, db: Database) -> dict[str, Any]:
        found = columns(db, self.relation, self.column)
        return {
            "before": (found[0].default if found else "") or _NONE,
            "defaults": {c.relation: c.default for c in found},
        }

    def foreknown(self) -> dict[str, Any]:
        return {"of_new": True} if self.fresh else {}  # what it was before goes with the table

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        if "of_new" in captured:
            return Observation(State.PRESENT, "on a table made with it")
        return Defined.since(self, db, captured)

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), LockMode.ACCESS_EXCLUSIVE, self.relation))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        """Each table that inherits the column gets back its own."""
        before: Mapping[str, str] = captured.get("defaults") or {self.relation: ""}
        return one_transaction(*(self._back(relation, default) for relation, default in before.items()))

    def _back(self, relation: str, default: str) -> Statement:
        command = f"set default {default}" if default else "drop default"
        text = f"alter table only {relation} alter column {quoted(self.column)} {command}"
        return Statement(text, LockMode.ACCESS_EXCLUSIVE, relation)

    def lint(self) -> list[str]:
        return ["takes ACCESS EXCLUSIVE, briefly: only rows that are written from then on get the default"]
