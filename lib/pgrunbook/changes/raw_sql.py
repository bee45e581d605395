"""A statement of no known kind: run as written, once the runbook has answered for its way back.

What it does can't be seen in the catalog, so the ledger alone says whether it was done; it is committed
together with its ledger row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pgrunbook.changes._base import (
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlStatement, quoted

_OUTSIDE_TRANSACTIONS = {
    "vacuum_stmt", "createdb_stmt", "dropdb_stmt", "create_table_space_stmt", "drop_table_space_stmt",
    "alter_system_stmt", "cluster_stmt", "reindex_stmt", "create_subscription_stmt", "drop_subscription_stmt",
}  # fmt: skip
# why there is no known way back, by the kind of statement
_NO_WAY_BACK = {
    "delete_stmt": "deletes rows, which no statement brings back",
    "truncate_stmt": "empties tables, and no statement brings their rows back",
    "insert_stmt": "adds rows, and its inverse has to say which ones to take out again",
    "update_stmt": "changes rows whose old values are not kept, as it is written",
    "merge_stmt": "changes rows whose old values are not kept, or adds some that its inverse has to take out again",
    "create_role_stmt": "makes a role, which belongs to the whole server and not to this database",
    "alter_role_stmt": "alters a role, which belongs to the whole server and not to this database",
    "drop_role_stmt": "drops a role, which belongs to the whole server and not to this database",
}
_WRITE_ROWS = {"insert_stmt", "delete_stmt", "merge_stmt", "truncate_stmt"}
_QUALIFIED = (
    "select distinct pg_catalog.format('%I.%I', n.nspname, c.relname) from pg_catalog.unnest($1::text[]) t"
    " join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(t)"
    " join pg_catalog.pg_namespace n on n.oid = c.relnamespace order by 1"
)
_DECIDED_BY_THE_PLAN = {"transaction_stmt", "variable_set_stmt", "copy_stmt"}


@dataclass(frozen=True, slots=True)
class RawSql(Change):
    """One statement of unknown kind; `inverse` are the statements of rollback.sql that undo it.

    `rows_of` are the tables of which it says itself that it adds rows to them or takes some out.
    """

    kind: ClassVar[str] = "raw_sql"
    recorded: ClassVar[bool] = True

    inverse: tuple[str, ...] = ()
    rows_of: tuple[str, ...] = ()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> RawSql:
        return cls(statement)

    @property
    def object(self) -> str:
        return self.label

    @property
    def irreversible(self) -> str:
        return "" if self.inverse else self.options.irreversible

    @property
    def no_way_back(self) -> str:
        """Why nobody but its author knows the way back."""
        return _NO_WAY_BACK.get(self.written.node_kind, "is of no known kind")

    def refusal(self) -> str:
        """Why the statement can't be run as it stands; empty when it can."""
        if unfit := unfit_for_replay(self.written):
            return unfit
        if not self.inverse and not self.options.irreversible:
            return (
                f"{self.no_way_back}: write its inverse into rollback.sql below a comment `-- undoes: {self.label}`, "
                f'or set irreversible = "reason" under [objects."{self.label}"] in runbook.toml'
            )
        return ""

    def resolve(self, names: Names) -> RawSql:  # noqa: ARG002
        return self

    def follow(self, names: Names) -> None:
        names.blind.append(self.written.line)
        node: Any = self.written.node
        if self.written.node_kind == "create_role_stmt":
            names.roles.add(str(node.role))

    def resolved_sql(self) -> str:
        return self.written.sql

    def state(self, db: Database) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "only the ledger can tell")

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        return Observation(State.PRESENT, "was committed with its row in the ledger")

    def capture(self, db: Database) -> dict[str, Any]:
        names = [quoted(*filter(None, (r.schemaname, r.relname))) for r in _written_to(self.written)]
        return {"inverse": list(self.inverse), "rows_of": [name for (name,) in db.rows(_QUALIFIED, [names])]}

    def remembering(self, captured: Mapping[str, Any]) -> RawSql:
        inverse, rows_of = (tuple(captured.get(key, ())) for key in ("inverse", "rows_of"))
        return replace(self, inverse=inverse, rows_of=rows_of)

    @property
    def moves_rows(self) -> Mapping[str, str]:
        return dict.fromkeys(self.rows_of, "")

    @property
    def rows_not_brought_back(self) -> Mapping[str, str]:
        return dict.fromkeys(self.rows_of, self.irreversible) if self.irreversible else {}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.UNKNOWN, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        inverse = [Statement(sql, LockMode.UNKNOWN, "") for sql in captured.get("inverse", self.inverse)]
        return one_transaction(*inverse) if inverse else []

    def verify(self, db: Database) -> list[Check]:  # noqa: ARG002
        detail = "a statement of no known kind leaves nothing in the catalog to compare; a check file can"
        return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]

    def lint(self) -> list[str]:
        notes = ["of no known kind: run as written, its lock is not known"]
        if not self.inverse:
            notes.append(f"irreversible: {self.options.irreversible}")
        return notes


def _written_to(statement: SqlStatement) -> list[Any]:
    """The tables of a statement that adds rows or takes some out."""
    node: Any = statement.node
    if statement.node_kind not in _WRITE_ROWS:
        return []
    return [r.range_var for r in node.relations] if statement.node_kind == "truncate_stmt" else [node.relation]


def unfit_for_replay(statement: SqlStatement) -> str:
    """Why a statement can't be run together with its ledger row, in one transaction; empty when it can."""
    if statement.node_kind in _DECIDED_BY_THE_PLAN:
        return "is decided by the plan (transactions and settings) or not SQL to replay; leave it out"
    if statement.node_kind in _OUTSIDE_TRANSACTIONS or _is_concurrent(statement):
        return "can't run inside a transaction, so it could not be recorded together with its effect"
    return ""


def _is_concurrent(statement: SqlStatement) -> bool:
    """DROP INDEX CONCURRENTLY, or DETACH PARTITION … CONCURRENTLY."""
    node: Any = statement.node
    if statement.node_kind == "alter_table_stmt":
        return any(getattr(c.alter_table_cmd, "def").partition_cmd.concurrent for c in node.cmds)
    return statement.node_kind == "drop_stmt" and bool(node.concurrent)
