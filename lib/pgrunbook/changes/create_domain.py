"""CREATE DOMAIN: a type with constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import _constraints, _types
from pgrunbook.changes._base import LockMode, Names, Phase, Statement, one_transaction, quoted
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import scratch
from pgrunbook.changes._types import SCRATCH, NewType
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_WORDS = {_PB.CONSTR_CHECK: "check", _PB.CONSTR_NOTNULL: "not_null"}


@dataclass(frozen=True, slots=True)
class CreateDomain(NewType):
    """One CREATE DOMAIN."""

    kind: ClassVar[str] = "create_domain"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateDomain | None:
        node: Any = statement.node
        if statement.node_kind != "create_domain_stmt" or node.type_name.pct_type:
            return None
        name = [n.string.sval for n in node.domainname]
        return cls(statement) if len(name) <= 2 and name[0] != "pg_temp" else None

    @property
    def _name(self) -> tuple[str, str]:
        return _types.name_of(n.string.sval for n in self._node.domainname)

    @property
    def _constraints(self) -> list[Any]:
        return [c.constraint for c in self._node.constraints if c.constraint.contype in _WORDS]

    @property
    def idents(self) -> tuple[str, ...]:
        taken: list[str] = []
        for constraint in self._constraints:
            number, word = 0, _WORDS[constraint.contype]
            name = constraint.conname
            while not name or (not constraint.conname and name in taken):
                name = _constraints.chosen_name(self._name[1], [], f"{word}{number or ''}")
                number += 1
            taken.append(name)
        return (self.subject, f"domain {self.object}", *(f"constraint {self.object}.{quoted(n)}" for n in taken))

    def resolve(self, names: Names) -> CreateDomain:
        schema = _types.schema_for_new(names, *self._name, self.written)

        def qualify(node: Any) -> None:
            _types.rename(node.domainname, schema, self._name[1])

        before = names.there.get(_types.subject(schema, self._name[1]))
        return CreateDomain(part_of(self.written, qualify), self.options, there_before=before)

    def now(self, db: Database) -> str | None:
        return self._definition(db, self.object)

    def planned(self, db: Database) -> str | None:
        def in_temp(node: Any) -> None:
            _types.rename(node.domainname, "pg_temp", SCRATCH)

        with scratch(db, self):
            _types.search_own_last(db)
            db.execute(sqlfile.rewritten(self.written.sql, in_temp))
            return self._definition(db, quoted("pg_temp", SCRATCH))

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what stands there is dropped by another change
        return {"before": None}

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(f"drop domain {self.object}", LockMode.NONE, ""))

    def _definition(self, db: Database, name: str) -> str | None:
        found = _types.found(db, name, [c.conname for c in self._constraints if c.conname])
        return found.definition if found else None
