"""CREATE SCHEMA; what is made in it by the same statement are changes of their own (`_parts.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import Defined, LockMode, Names, Observation, Phase, Statement, one_transaction
from pgrunbook.changes._parts import part_of
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_NAMED = _PB.ROLESPEC_CSTRING


@dataclass(frozen=True, slots=True)
class CreateSchema(Defined):
    """One CREATE SCHEMA; its definition is who owns it."""

    kind: ClassVar[str] = "create_schema"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateSchema | None:
        node: Any = statement.node
        return None if statement.node_kind != "create_schema_stmt" or node.schema_elts else cls(statement)

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def name(self) -> str:
        return str(self._node.schemaname or self._node.authrole.rolename)

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return quoted(self.name)

    @property
    def subject(self) -> str:
        return f"schema {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"schema {self.object}",)

    @property
    def _of_anybody(self) -> bool:
        """Whether the statement is content with a schema that belongs to somebody else."""
        return bool(self._node.if_not_exists and not self._node.HasField("authrole"))

    def resolve(self, names: Names) -> CreateSchema:
        role = self._node.authrole
        named = role.rolename
        if self._node.HasField("authrole") and role.roletype != _NAMED:
            named = names.db.value("select current_user::text")
        where = f"line {self.written.line} of migrate.sql"
        if named and not names.has_role(named):
            raise errors.PreflightFailed(
                f"role {quoted(named)} does not exist on {names.db.target.name} ({where})",
                remedy="create it, or name another",
            )

        def qualify(node: Any) -> None:
            node.schemaname = self._node.schemaname or named
            if node.HasField("authrole"):
                node.authrole.roletype, node.authrole.rolename = _NAMED, named

        known = CreateSchema(part_of(self.written, qualify), self.options)
        may = "select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create')"
        if _owner(names.db, known.name) is None and not names.db.value(may):
            raise errors.PreflightFailed(
                f"{names.db.user} may not make schemas in {names.db.database} ({where})",
                remedy=f"grant create on database {quoted(names.db.database)} to {quoted(names.db.user)}; or let "
                "somebody who may create it before",
            )
        return known

    def follow(self, names: Names) -> None:
        names.add_schema(self.name)

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        owner = _owner(db, self.name)
        return None if owner is None else f"schema of {quoted(owner)}"

    def planned(self, db: Database) -> str | None:
        if self._of_anybody and (now := self.now(db)):
            return now
        owner = self._node.authrole.rolename or db.value("select current_user::text")
        return f"schema of {quoted(owner)}"

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what may stand there goes by another change
        return {"before": None}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        def plain(node: Any) -> None:
            node.if_not_exists = False

        return one_transaction(Statement(sqlfile.rewritten(self.written.sql, plain), LockMode.NONE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(f"drop schema {self.object}", LockMode.NONE, ""))

    def lint(self) -> list[str]:
        if self._of_anybody:
            return ["IF NOT EXISTS without AUTHORIZATION: a schema that is there will do, whoever owns it"]
        return []


def _owner(db: Database, schema: str) -> str | None:
    query = "select pg_catalog.pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = $1"
    found = db.value(query, [schema])
    return None if found is None else str(found)
