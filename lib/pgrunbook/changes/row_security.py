"""ALTER TABLE … ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook.changes._base import Change, Defined, LockMode, Names, Observation, Phase, Statement, one_transaction
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._policy import PolicyChange, row_security_of
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_COMMANDS = {
    _PB.AT_EnableRowSecurity: "enable",
    _PB.AT_DisableRowSecurity: "disable",
    _PB.AT_ForceRowSecurity: "force",
    _PB.AT_NoForceRowSecurity: "no force",
}
_OPPOSITE = {"enable": "disable", "disable": "enable", "force": "no force", "no force": "force"}


@dataclass(frozen=True, slots=True)
class _RowSecurity:
    enabled: bool
    forced: bool
    policies: list[str]


@dataclass(frozen=True, slots=True)
class RowSecurity(Defined):
    """One of the four commands; a definition is the command that gives it. `policies` are those that it will have."""

    kind: ClassVar[str] = "row_security"
    gathers_at_end: ClassVar[bool] = True

    policies: frozenset[str] = frozenset()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> RowSecurity | None:
        node: Any = statement.node
        if statement.node_kind != "alter_table_stmt" or node.objtype != _PB.OBJECT_TABLE or len(node.cmds) != 1:
            return None
        return cls(statement) if node.cmds[0].alter_table_cmd.subtype in _COMMANDS else None

    @property
    def command(self) -> str:
        node: Any = self.written.node
        return _COMMANDS[node.cmds[0].alter_table_cmd.subtype]

    @property
    def _table(self) -> tuple[str, str]:
        node: Any = self.written.node
        return str(node.relation.schemaname), str(node.relation.relname)

    @property
    def label(self) -> str:
        return f"{self._table[1]}.row_security"

    @property
    def object(self) -> str:
        return quoted(*self._table)

    @property
    def subject(self) -> str:
        return f"{'forced ' if self._forces else ''}row security of {self.object}"

    @property
    def relation(self) -> str:
        return self.object

    @property
    def together(self) -> str:
        return "" if self.fresh else row_security_of(self.relation)  # a new table has no rows to guard

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"relation {self.object}",)

    @property
    def replaces(self) -> bool:
        return True

    @property
    def _forces(self) -> bool:
        return self.command in ("force", "no force")

    def resolve(self, names: Names) -> RowSecurity:
        table = names.relation(*self._table, self.written, "rp")

        def qualify(node: Any) -> None:
            node.relation.schemaname = table.schema
            node.missing_ok = False

        found = _found(names.db, str(table))
        policies = {f"policy {quoted(table.schema, table.name, p)}" for p in (found.policies if found else ())}
        for subject, there in names.there.items():
            (policies.add if there else policies.discard)(subject)
        mine = frozenset(p for p in policies if p.startswith(f"policy {table}."))
        return RowSecurity(part_of(self.written, qualify), self.options, policies=mine)

    def followed_by(self, later: Sequence[Change]) -> Change:
        policies = set(self.policies)
        for change in later:
            if isinstance(change, PolicyChange) and change.relation == self.relation:
                (policies.discard if change.drops else policies.add)(change.subject)
        known = Change.followed_by(self, later)
        return replace(self, later=known.later, policies=frozenset(policies))

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        found = _found(db, self.relation)
        if found is None:
            return None
        if self._forces:
            return "force" if found.forced else "no force"
        return "enable" if found.enabled else "disable"

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return self.command

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return self._set(self.command)

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return self._set(captured.get("before") or _OPPOSITE[self.command])

    def _set(self, command: str) -> list[Phase]:
        sql = f"alter table {self.relation} {command} row level security"
        return one_transaction(Statement(sql, LockMode.ACCESS_EXCLUSIVE, self.relation))

    def lint(self) -> list[str]:
        notes = [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly, under lock_timeout with retries"]
        match self.command:
            case "enable" if not self.policies:
                notes.append(
                    f"{self.relation} has no policy, and this migration makes none: from then on nobody but its owner, "
                    "superusers and roles with BYPASSRLS sees or writes a row"
                )
            case "disable":
                notes.append(f"from then on whoever may read {self.relation} sees every row of it")
            case "no force":
                notes.append(f"from then on the policies of {self.relation} do not hold for its owner")
        return notes


def _found(db: Database, relation: str) -> _RowSecurity | None:
    return db.one("row_security", _RowSecurity, relation=relation)
