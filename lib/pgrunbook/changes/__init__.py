"""The kinds of change there are; a new kind is one new module and one line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pgrunbook import sqlfile
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Alone,
    Change,
    Estimate,
    LockMode,
    Look,
    ObjectOptions,
    Observation,
    Phase,
    State,
    Statement,
    Transaction,
    Walk,
    statement_label,
    statements_text,
)
from pgrunbook.changes._names import Names, Relation
from pgrunbook.changes._parts import parts
from pgrunbook.changes.add_column import AddColumn
from pgrunbook.changes.add_constraint import AddConstraint
from pgrunbook.changes.alter_policy import AlterPolicy
from pgrunbook.changes.backfill import Backfill
from pgrunbook.changes.check import DoCheck
from pgrunbook.changes.comment import Comment
from pgrunbook.changes.create_function import CreateFunction
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.changes.create_policy import CreatePolicy
from pgrunbook.changes.create_view import CreateView
from pgrunbook.changes.drop_constraint import DropConstraint
from pgrunbook.changes.drop_index import DropIndex
from pgrunbook.changes.drop_not_null import DropNotNull
from pgrunbook.changes.drop_policy import DropPolicy
from pgrunbook.changes.grant import Grant
from pgrunbook.changes.raw_sql import RawSql
from pgrunbook.changes.revoke import Revoke
from pgrunbook.changes.row_security import RowSecurity
from pgrunbook.changes.set_not_null import SetNotNull
from pgrunbook.changes.validate_constraint import ValidateConstraint
from pgrunbook.sqlfile import SqlStatement

__all__ = [
    "KINDS", "NOTHING_THERE", "Alone", "Change", "Estimate", "LockMode", "Look", "Names", "ObjectOptions",
    "Observation", "Phase", "RawSql", "Relation", "State", "Statement", "Transaction", "Walk", "again",
    "statement_label", "statements_text", "typed",
]  # fmt: skip

KINDS: tuple[type[Change], ...] = (
    CreateIndex,
    DropIndex,
    AddColumn,
    SetNotNull,
    DropNotNull,
    AddConstraint,
    DropConstraint,
    ValidateConstraint,
    Backfill,
    CreatePolicy,
    AlterPolicy,
    DropPolicy,
    RowSecurity,
    CreateFunction,
    CreateView,
    Grant,
    Revoke,
    Comment,
    DoCheck,
)


def typed(
    statement: SqlStatement,
    options: Mapping[str, ObjectOptions],
    inverse: Mapping[str, tuple[str, ...]],
) -> list[Change]:
    """The changes of one statement: each of its parts gives one, if all are of a known kind; else it is raw SQL.

    `options` and `inverse` (of rollback.sql) are by label. A statement that the runbook answers for itself, by an
    inverse or by calling it irreversible, is run as it is written.
    """
    label = statement_label(statement)
    own, back = options.get(label, ObjectOptions()), inverse.get(label, ())
    known = [] if back or own.irreversible else [_known(part) for part in parts(statement)]
    if known and all(known):
        return [replace(c, options=options.get(c.label, ObjectOptions())) for c in known if c]
    return [RawSql(statement, own, back)]


def again(kind: str, sql: str, options: Mapping[str, Any], position: int) -> Change:
    """A change made again from what the ledger kept of it."""
    statement = replace(sqlfile.split(sql)[0], position=position)
    own = ObjectOptions.model_validate(options)
    change = RawSql.from_ast(statement) if kind == RawSql.kind else _known(statement)
    if change is None or change.kind != kind:
        raise ValueError(f"the ledger's {kind} can't be read back: {sql}")
    return replace(change, options=own)


def _known(statement: SqlStatement) -> Change | None:
    for kind in KINDS:
        change = kind.from_ast(statement)
        if change is not None:
            return change
    return None
