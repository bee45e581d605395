"""What the kinds that are one command of an ALTER TABLE have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import Change, LockMode, Names, Observation, Relation, State, Statement
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class AlterTable(Change):
    """One command of an ALTER TABLE; `schema` is empty until it is resolved, or written."""

    schema: str = ""

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _command(self) -> Any:
        return self._node.cmds[0].alter_table_cmd

    @property
    def table(self) -> str:
        return str(self._node.relation.relname)

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    def resolved_sql(self) -> str:
        return self._edited(lambda _: None)

    def _found_table(self, names: Names) -> Relation:
        """The table on the target. Raises `PreflightFailed` for none, and for ONLY where it would mean something."""
        table = names.relation(self.schema, self.table, self.written, "rp")
        if not self._node.relation.inh and table.oid and has_children(names, table):
            raise errors.PreflightFailed(
                f"{table} has partitions or child tables, and line {self.written.line} of migrate.sql says ONLY",
                remedy="leave out ONLY, or name the child table",
            )
        return table

    def _edited(self, edit: Callable[[Any], None]) -> str:
        """The statement with the qualified table, after `edit` changed its command."""

        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.relation.inh = True
            node.missing_ok = False
            edit(node.cmds[0].alter_table_cmd)

        return sqlfile.rewritten(self.written.sql, qualify)

    def _alter(self, command: str, lock: LockMode = LockMode.ACCESS_EXCLUSIVE) -> Statement:
        return Statement(f"alter table {self.relation} {command}", lock, self.relation)


def only_command(statement: SqlStatement, subtype: int) -> Any | None:
    """The command of an ALTER TABLE that has but one, of that subtype; else None."""
    node: Any = statement.node
    if statement.node_kind != "alter_table_stmt" or node.objtype != _PB.OBJECT_TABLE or len(node.cmds) != 1:
        return None
    command = node.cmds[0].alter_table_cmd
    return command if command.subtype == subtype else None


def has_children(names: Names, table: Relation) -> bool:
    """Whether a table has partitions or tables that inherit from it."""
    found = names.db.value("select exists (select from pg_catalog.pg_inherits where inhparent = $1::oid)", [table.oid])
    return bool(found)


def is_empty(names: Names, table: Relation) -> bool:
    """Whether a table holds no row; one that the migration makes is empty."""
    return not table.oid or not names.db.value(f"select exists (select from {table.stands_as})")  # noqa: S608


def size_of(names: Names, table: Relation) -> str:
    """A table's size with its indexes and partitions, for a reader."""
    query = (
        "select pg_catalog.pg_size_pretty(coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relid)),"
        " pg_catalog.pg_total_relation_size($1::oid))) from pg_catalog.pg_partition_tree($1::oid) t"
    )
    return str(names.db.value(query, [table.oid]))


def accepting(label: str) -> str:
    """How a runbook accepts the form that blocks."""
    return f'accept it: concurrently = false under [objects."{label}"] in runbook.toml'


def dropped_before(names: Names, change: Change, *, drops: bool = False) -> bool:
    """Whether an earlier change drops a resolved change's object; remembers what this one does to it."""
    before = names.there.get(change.subject)
    names.there[change.subject] = not drops
    return before is False


def defined_anew(change: Change, seen: Observation, db: Database) -> Observation:
    """What was seen of a change, or that a later one of the migration has taken up its object and is done."""
    later = change.later
    if seen.state is not State.PRESENT and later and later.state(db).state is State.PRESENT:
        return Observation(State.PRESENT, f"line {later.written.line} defines it anew, and that is done")
    return seen
