"""ALTER TABLE … DROP COLUMN: its values are lost; the way back adds it again, with what was dropped with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _definitions
from pgrunbook.changes._alter import has_children, only_command
from pgrunbook.changes._base import Change, Names, Phase, one_transaction
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._dropped import Dropped
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_QUERY = (
    "select a.attrelid::int8, a.attnum::int4 from pg_catalog.pg_attribute a"
    " where a.attrelid = pg_catalog.to_regclass($1) and a.attname = $2 and a.attnum > 0 and not a.attisdropped"
)


@dataclass(frozen=True, slots=True)
class DropColumn(Dropped):
    """One DROP COLUMN."""

    kind: ClassVar[str] = "drop_column"
    destroys: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DropColumn | None:
        command = only_command(statement, _PB.AT_DropColumn)
        node: Any = statement.node
        return None if command is None else cls(statement, schema=node.relation.schemaname)

    @property
    def _command(self) -> Any:
        return self._node.cmds[0].alter_table_cmd

    @property
    def table(self) -> str:
        return str(self._node.relation.relname)

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def name(self) -> str:
        return str(self._command.name)

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.name)

    @property
    def subject(self) -> str:
        return f"column {self.object}"

    @property
    def irreversible(self) -> str:
        if self.passing:
            return ""
        return (
            f"loses the values of {self.object} for good: the way back adds the column again without them, behind the "
            "others"
        )

    @property
    def idents_not_brought_back(self) -> tuple[str, ...]:
        # it comes back behind the others, and its constraints NOT VALID where rows are there
        return (f"column {self.relation}.*", f"constraint {self.relation}.*")

    @property
    def _cascades(self) -> bool:
        return bool(self._command.behavior == _PB.DROP_CASCADE)

    def _found(self, names: Names) -> DropColumn:
        table = names.relation(self.schema, self.table, self.written, "rp")
        if table.oid and has_children(names, table):
            raise errors.PreflightFailed(
                f"{self._where} drops a column of {table}, which has partitions or child tables, whose indexes and "
                "constraints no undo could bring back as they are",
                remedy="answer for the way back in rollback.sql, or with irreversible in runbook.toml",
            )
        return replace(self, schema=table.schema)

    def resolved_sql(self) -> str:
        def plain(node: Any) -> None:
            node.relation.schemaname, node.relation.inh, node.missing_ok = self.schema, True, False
            command = node.cmds[0].alter_table_cmd
            command.behavior, command.missing_ok = _PB.DROP_RESTRICT, True

        return sqlfile.rewritten(self.written.sql, plain)

    def find(self, db: Database) -> Found | None:
        found = db.rows(_QUERY, [self.relation, self.name])
        return Found(_definitions.RELATION, *found[0]) if found else None

    def takes_away(self, other: Change) -> bool:
        return other.relation == self.relation and other.subject != self.subject and self._is_named(other)

    def _is_named(self, other: Change) -> bool:
        nodes = sqlfile.walk(other.written.node)
        return any(self.name == getattr(n, f, None) for _, n in nodes for f in ("sval", "name", "colname"))

    @property
    def _drop(self) -> str:
        return f"alter table {self.relation} drop column {quoted(self.name)}"

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        made = captured.get("statements", [])
        return one_transaction(*map(self._on, made)) if made else []

    def lint(self) -> list[str]:
        return [
            f"the values of {self.object} are lost: first let no program read it, and drop it a release later; keep "
            "them with \\copy (select key, column) or pg_dump, if they may be missed",
            "indexes, constraints and statistics of this column, and of several with it, go with it",
            "the way back adds the column behind the others, and builds its indexes, while the table is locked; where "
            "rows are there, constraints that they violate come back NOT VALID, or not at all",
            *Dropped.lint(self),
        ]
