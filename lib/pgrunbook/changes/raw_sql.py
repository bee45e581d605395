"""A statement of no known kind: run as written, once the runbook has answered for its way back.

What it does can't be seen in the catalog, so the ledger alone says whether it was done; it is committed
together with its ledger row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgrunbook.changes._base import NO_OPTIONS, Estimate, LockMode, ObjectOptions, Observation, State, Statement
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlStatement

_OUTSIDE_TRANSACTIONS = {
    "vacuum_stmt", "createdb_stmt", "dropdb_stmt", "create_table_space_stmt", "drop_table_space_stmt",
    "alter_system_stmt", "cluster_stmt", "reindex_stmt", "create_subscription_stmt", "drop_subscription_stmt",
}  # fmt: skip
_DECIDED_BY_THE_PLAN = {"transaction_stmt", "variable_set_stmt", "copy_stmt"}


@dataclass(frozen=True, slots=True)
class RawSql:
    """One statement of unknown kind; `inverse` are the statements of rollback.sql that undo it."""

    kind: ClassVar[str] = "raw_sql"
    is_index: ClassVar[bool] = False

    written: SqlStatement
    options: ObjectOptions = NO_OPTIONS
    inverse: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return label(self.written)

    @property
    def object(self) -> str:
        return self.label

    @property
    def relation(self) -> str:
        return ""

    @property
    def idents(self) -> tuple[str, ...]:
        return ()

    def refusal(self) -> str:
        """Why the statement can't be run as it stands; empty when it can."""
        if unfit := unfit_for_replay(self.written):
            return unfit
        if not self.inverse and not self.options.irreversible:
            return (
                f"is of no known kind: write its inverse into rollback.sql below a comment `-- undoes: {self.label}`, "
                f'or set irreversible = "reason" under [objects."{self.label}"] in runbook.toml'
            )
        return ""

    def resolve(self, db: Database) -> RawSql:  # noqa: ARG002
        return self

    def resolved_sql(self) -> str:
        return self.written.sql

    def state(self, db: Database) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "only the ledger can tell")

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002
        return {"inverse": list(self.inverse)}

    def apply(self, found: State) -> list[Statement]:  # noqa: ARG002
        return [Statement(self.written.sql, LockMode.UNKNOWN, "")]

    def undo(self, captured: Mapping[str, Any]) -> list[Statement]:
        return [Statement(sql, LockMode.UNKNOWN, "") for sql in captured.get("inverse", self.inverse)]

    def loss(self, db: Database) -> str:  # noqa: ARG002
        return ""

    def verify(self, db: Database) -> list[Check]:  # noqa: ARG002
        detail = "a statement of no known kind leaves nothing in the catalog to compare; a check file can"
        return [Check("definition", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]

    def estimate(self, db: Database) -> Estimate:  # noqa: ARG002
        return Estimate()

    def lint(self) -> list[str]:
        notes = ["of no known kind: run as written, its lock is not known"]
        if not self.inverse:
            notes.append(f"irreversible: {self.options.irreversible}")
        return notes


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


def label(statement: SqlStatement) -> str:
    """`statement_N`, N counted from 1 in migrate.sql."""
    return f"statement_{statement.position}"
