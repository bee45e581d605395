"""CREATE TRIGGER; one that is replaced comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _functions, _triggers
from pgrunbook.changes._base import (
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    Statement,
    one_transaction,
    quoted,
)
from pgrunbook.changes._functions import Signature
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.changes._triggers import Trigger
from pgrunbook.changes._types import name_of, rename, search_own_last
from pgrunbook.changes.trigger_state import TriggerState
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_REPLACED_SINCE = 140000
_ON_UPDATE = 1 << 4  # TRIGGER_TYPE_UPDATE in PostgreSQL's pg_trigger.h


@dataclass(frozen=True, slots=True)
class CreateTrigger(Defined):
    """One CREATE [OR REPLACE] [CONSTRAINT] TRIGGER.

    `there_before`: whether an earlier change makes (or drops) it; `set_later`: whether a later one sets how it is
    enabled.
    """

    kind: ClassVar[str] = "create_trigger"

    there_before: bool | None = None
    set_later: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateTrigger | None:
        node: Any = statement.node
        if statement.node_kind != "create_trig_stmt" or len(node.funcname) > 2:
            return None
        temporary = node.relation.schemaname == "pg_temp" or node.relation.catalogname
        return None if temporary else cls(statement)

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def name(self) -> str:
        return str(self._node.trigname)

    @property
    def label(self) -> str:
        return f"{self._node.relation.relname}.{self.name}"

    @property
    def object(self) -> str:
        return f"{self.relation}.{quoted(self.name)}"

    @property
    def subject(self) -> str:
        return _triggers.subject(self.relation, self.name)

    @property
    def relation(self) -> str:
        return quoted(self._node.relation.schemaname, self._node.relation.relname)

    @property
    def idents(self) -> tuple[str, ...]:
        own = (f"trigger {self.object}",)
        return (*own, f"constraint {self.object}") if self._node.isconstraint else own

    @property
    def replaces(self) -> bool:
        return bool(self._node.replace) or self.there_before is False

    def is_on_update(self, columns: Sequence[str]) -> bool:
        """Whether an UPDATE that sets these columns fires it, as long as it is enabled."""
        own = {str(n.string.sval) for n in self._node.columns}
        return bool(self._node.events & _ON_UPDATE) and (not own or not own.isdisjoint(columns))

    def resolve(self, names: Names) -> CreateTrigger:
        node = self._node
        if node.replace and names.db.version < _REPLACED_SINCE:
            raise errors.PreflightFailed(
                f"CREATE OR REPLACE TRIGGER exists from PostgreSQL 14 on, and {names.db.target.name} runs "
                f"{names.db.version // 10000} (line {self.written.line} of migrate.sql)",
                remedy="write DROP TRIGGER IF EXISTS, and then CREATE TRIGGER",
            )
        relation = names.relation(node.relation.schemaname, node.relation.relname, self.written, "rpvf")
        schema, name = name_of(n.string.sval for n in node.funcname)
        function = _functions.resolved(names, Signature(schema, name, ()), self.written)
        other = node.constrrel
        referred = names.relation(other.schemaname, other.relname, self.written, "rpf") if other.relname else None

        def qualify(made: Any) -> None:
            made.relation.schemaname = relation.schema
            rename(made.funcname, function.schema, function.name)
            if referred:
                made.constrrel.schemaname = referred.schema

        written = part_of(self.written, qualify)
        before = names.there.get(_triggers.subject(str(relation), self.name))
        return CreateTrigger(written, self.options, there_before=before)

    def follow(self, names: Names) -> None:
        names.there[self.subject] = True

    def followed_by(self, later: Sequence[Change]) -> Change:
        known = Change.followed_by(self, later)
        set_later = any(isinstance(c, TriggerState) and c.trigger == self.subject for c in later)
        return replace(self, later=known.later, set_later=set_later)

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        found = _triggers.found(db, self.relation, self.name)
        if found is None:
            return None
        usual = self.set_later or found.enabled == "O"
        return _spelled(found) + ("" if usual else f" -- {_triggers.COMMANDS[found.enabled]}")

    def planned(self, db: Database) -> str | None:
        table = self._node.relation
        with scratch(db, self):
            of = db.one("relation", Relation, name=self.relation)
            if of and of.kind == "v":
                copy = quoted("pg_temp", table.relname)
                db.execute(f"create temp view {quoted(table.relname)} as select * from {self.relation}")  # noqa: S608
            else:
                copy = copy_table(db, self.relation, table.relname)
            search_own_last(db)
            db.execute(sqlfile.rewritten(self.written.sql, _on_copy))
            found = _triggers.found(db, copy, self.name)

        def on_table(node: Any) -> None:
            node.relation.schemaname = table.schemaname

        return sqlfile.rewritten(found.definition, on_table) if found else None

    def capture(self, db: Database) -> dict[str, Any]:
        if not self._node.replace:
            return {"before": None}
        found = _triggers.found(db, self.relation, self.name)
        return {"before": self.now(db), "enabled": found.enabled if found else ""}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.SHARE_ROW_EXCLUSIVE, self.relation))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        before = captured.get("before")
        if not before:
            drop = f"drop trigger {quoted(self.name)} on {self.relation}"
            return one_transaction(Statement(drop, LockMode.ACCESS_EXCLUSIVE, self.relation))

        def over_it(node: Any) -> None:
            node.replace = True

        back = [Statement(sqlfile.rewritten(before, over_it), LockMode.SHARE_ROW_EXCLUSIVE, self.relation)]
        if captured["enabled"] != "O":
            back.append(_triggers.set_enabled(self.relation, self.name, captured["enabled"]))
        return one_transaction(*back)

    def lint(self) -> list[str]:
        if self.fresh:
            return []
        notes = [f"takes SHARE ROW EXCLUSIVE on {self.relation}, briefly: writes wait, reads do not"]
        if not self._node.replace:
            notes.append(f"its undo, DROP TRIGGER, takes ACCESS EXCLUSIVE on {self.relation}, briefly")
        return notes


def _spelled(found: Trigger) -> str:
    """The definition in one spelling, whatever the server's version."""
    return sqlfile.rewritten(found.definition, lambda _: None)


def _on_copy(node: Any) -> None:
    node.relation.schemaname = "pg_temp"
    node.replace = False
