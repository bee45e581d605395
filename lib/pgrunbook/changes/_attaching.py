"""Partitions that are attached and detached: how a table is one, what it takes to become one, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes._base import Defined, LockMode, Names, Relation, Statement
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class Partition:
    """A table as a partition; `proof` is the constraint that its rows fulfil by it."""

    parent: str
    bound: str
    pending: bool
    proof: str

    @property
    def shown(self) -> str | None:
        """Its place as text; None where it is no partition."""
        if not self.parent:
            return None
        return f"partition of {self.parent} {self.bound}{' (detaching)' if self.pending else ''}"


def find(db: Database, name: str) -> Partition | None:
    """A table as a partition; None where there is no table."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("partition", Partition, name=name)


@dataclass(frozen=True, slots=True)
class Partitioning(Defined):
    """One ATTACH or DETACH PARTITION. `parent` and `partition` are known once it is resolved."""

    parent: Relation | None = None
    partition: Relation | None = None

    @property
    def _command(self) -> Any:
        node: Any = self.written.node
        return node.cmds[0].alter_table_cmd

    @property
    def _named(self) -> Any:
        return getattr(self._command, "def").partition_cmd.name

    @property
    def parent_name(self) -> str:
        node: Any = self.written.node
        return str(self.parent or quoted(node.relation.schemaname, node.relation.relname))

    @property
    def relation(self) -> str:
        return str(self.partition or quoted(self._named.schemaname, self._named.relname))

    @property
    def object(self) -> str:
        return self.relation

    @property
    def subject(self) -> str:
        return f"partition {self.relation}"

    @property
    def moves_rows(self) -> Mapping[str, str]:
        return {self.parent_name: ""}

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"relation {self.relation}",)

    def _resolved(self, names: Names) -> Any:
        node: Any = self.written.node
        parent = names.relation(node.relation.schemaname, node.relation.relname, self.written, "p")
        named = self._named
        partition = names.relation(named.schemaname, named.relname, self.written, "rpf")
        return replace(self, parent=parent, partition=partition)

    def not_yet(self, db: Database) -> bool:
        """Also where its parent is still to be made."""
        both = "select pg_catalog.to_regclass($1) is null or pg_catalog.to_regclass($2) is null"
        return bool(db.value(both, [self.relation, self.parent_name]))

    def resolved_sql(self) -> str:
        parent, partition = self.parent, self.partition

        def qualify(node: Any) -> None:
            named = getattr(node.cmds[0].alter_table_cmd, "def").partition_cmd.name
            if parent and partition:
                node.relation.schemaname, named.schemaname = parent.schema, partition.schema
            node.missing_ok = False

        return sqlfile.rewritten(self.written.sql, qualify)

    def now(self, db: Database) -> str | None:
        found = find(db, self.relation)
        return found.shown if found else None

    def _detach(self) -> Statement:
        return self._on_both(f"detach partition {self.relation}")

    def _on_both(self, command: str) -> Statement:
        text = f"alter table {self.parent_name} {command}"
        return Statement(text, LockMode.ACCESS_EXCLUSIVE, self.relation)


def command_of(statement: SqlStatement, subtype: int) -> Any | None:
    """The command of an ALTER TABLE that has but one, of that subtype, on a partition of a table; else None."""
    node: Any = statement.node
    if statement.node_kind != "alter_table_stmt" or node.objtype != _PB.OBJECT_TABLE or len(node.cmds) != 1:
        return None
    command = node.cmds[0].alter_table_cmd
    return command if command.subtype == subtype else None
