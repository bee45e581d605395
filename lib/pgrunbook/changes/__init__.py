"""The kinds of change there are; a new kind is one new module and one line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgrunbook import sqlfile
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Alone,
    Change,
    Defined,
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
from pgrunbook.changes.add_enum_value import AddEnumValue, ValueOfNew, of_new
from pgrunbook.changes.alter_column_default import AlterColumnDefault
from pgrunbook.changes.alter_column_type import AlterColumnType
from pgrunbook.changes.alter_policy import AlterPolicy
from pgrunbook.changes.alter_sequence import AlterSequence
from pgrunbook.changes.alter_setting import AlterSetting
from pgrunbook.changes.attach_partition import AttachPartition
from pgrunbook.changes.backfill import Backfill
from pgrunbook.changes.change_owner import ChangeOwner
from pgrunbook.changes.check import DoCheck
from pgrunbook.changes.comment import Comment
from pgrunbook.changes.create_domain import CreateDomain
from pgrunbook.changes.create_extension import CreateExtension
from pgrunbook.changes.create_function import CreateFunction
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.changes.create_materialized_view import CreateMaterializedView
from pgrunbook.changes.create_policy import CreatePolicy
from pgrunbook.changes.create_schema import CreateSchema
from pgrunbook.changes.create_sequence import CreateSequence
from pgrunbook.changes.create_statistics import CreateStatistics
from pgrunbook.changes.create_table import CreateTable
from pgrunbook.changes.create_table_as import CreateTableAs
from pgrunbook.changes.create_trigger import CreateTrigger
from pgrunbook.changes.create_type import CreateType
from pgrunbook.changes.create_view import CreateView
from pgrunbook.changes.default_privileges import DefaultPrivileges
from pgrunbook.changes.detach_partition import DetachPartition
from pgrunbook.changes.drop_column import DropColumn
from pgrunbook.changes.drop_constraint import DropConstraint
from pgrunbook.changes.drop_extension import DropExtension
from pgrunbook.changes.drop_function import DropFunction
from pgrunbook.changes.drop_index import DropIndex
from pgrunbook.changes.drop_not_null import DropNotNull
from pgrunbook.changes.drop_policy import DropPolicy
from pgrunbook.changes.drop_schema import DropSchema
from pgrunbook.changes.drop_sequence import DropSequence
from pgrunbook.changes.drop_statistics import DropStatistics
from pgrunbook.changes.drop_table import DropTable
from pgrunbook.changes.drop_trigger import DropTrigger
from pgrunbook.changes.drop_type import DropType
from pgrunbook.changes.drop_view import DropView
from pgrunbook.changes.grant import Grant
from pgrunbook.changes.maintain import Maintain
from pgrunbook.changes.raw_sql import RawSql
from pgrunbook.changes.rename import Rename
from pgrunbook.changes.revoke import Revoke
from pgrunbook.changes.row_security import RowSecurity
from pgrunbook.changes.rows import Rows, made_by, written_to_new
from pgrunbook.changes.set_not_null import SetNotNull
from pgrunbook.changes.set_schema import SetSchema
from pgrunbook.changes.trigger_state import TriggerState
from pgrunbook.changes.validate_constraint import ValidateConstraint
from pgrunbook.sqlfile import SqlStatement

__all__ = [
    "KINDS", "NOTHING_THERE", "Alone", "Change", "Defined", "Estimate", "LockMode", "Look", "Names", "ObjectOptions",
    "Observation", "Phase", "RawSql", "Relation", "Rows", "State", "Statement", "Transaction", "ValueOfNew",
    "Walk", "again", "of_migration", "statement_label", "statements_text", "typed",
]  # fmt: skip

KINDS: tuple[type[Change], ...] = (
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateSequence,
    AlterSequence,
    CreateExtension,
    CreateType,
    CreateDomain,
    AddEnumValue,
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
    CreateTrigger,
    TriggerState,
    CreateStatistics,
    Grant,
    Revoke,
    DefaultPrivileges,
    Comment,
    DoCheck,
    DropColumn,
    DropExtension,
    DropFunction,
    DropSchema,
    DropSequence,
    DropStatistics,
    DropTable,
    DropTrigger,
    DropType,
    DropView,
    Rename,
    SetSchema,
    AlterColumnDefault,
    AlterColumnType,
    AlterSetting,
    ChangeOwner,
    CreateMaterializedView,
    Maintain,
    AttachPartition,
    DetachPartition,
)

# kinds that no statement is by itself
_BY_CONTEXT: tuple[type[Change], ...] = (Rows, ValueOfNew, RawSql)
_BY_KIND: Mapping[str, type[Change]] = {k.kind: k for k in (*KINDS, *_BY_CONTEXT)}


def typed(
    statement: SqlStatement,
    options: Mapping[str, ObjectOptions],
    inverse: Mapping[str, tuple[str, ...]],
) -> list[Change]:
    """The changes of one statement: each of its parts gives one, if all are of a known kind; else it is raw SQL.

    `options` and `inverse` (of rollback.sql) are by label. A statement that the runbook answers for itself, by an
    inverse or by calling it irreversible, is run as it is written; a kind that destroys keeps what it can all the same.
    """
    label = statement_label(statement)
    own, back = options.get(label, ObjectOptions()), inverse.get(label, ())
    known = [] if back else [_known(part) for part in parts(statement)]
    answered = own.irreversible and not any(c.destroys for c in known if c)
    if known and all(known) and not answered:
        return [replace(c, options=options.get(c.label, ObjectOptions())) for c in known if c]
    return [RawSql(statement, own, back)]


def of_migration(
    statements: Sequence[SqlStatement],
    options: Mapping[str, ObjectOptions],
    inverse: Mapping[str, tuple[str, ...]],
) -> list[Change]:
    """The changes of a whole migration, whose statements may write into tables and enums that earlier ones make."""
    changes: list[Change] = []
    made: set[tuple[str, str]] = set()
    enums: dict[tuple[str, str], int] = {}
    defined: set[str] = set()
    for statement in statements:
        for one in typed(statement, options, inverse):
            # what the migration has made itself is no loss
            change = replace(one, passing=True) if one.destroys and one.subject in defined else one
            if change.begins:
                defined.add(change.subject)
            answered = isinstance(change, RawSql) and (change.inverse or change.options.irreversible)
            known = not isinstance(change, RawSql)
            into_new: Change | None = None if answered else written_to_new(change.written, made, known=known)
            if isinstance(change, AddEnumValue):
                into_new = of_new(change.written, enums)
            if isinstance(change, CreateType) and (enum := change.enum_name):
                enums[enum] = change.written.block
            changes.append(replace(into_new, options=change.options) if into_new else change)
        if table := made_by(statement):
            made.add(table)
    return changes


def again(kind: str, sql: str, options: Mapping[str, Any], position: int) -> Change:
    """A change made again from what the ledger kept of it."""
    statement = replace(sqlfile.split(sql)[0], position=position)
    own = ObjectOptions.model_validate(options)
    change = _BY_KIND[kind].from_ast(statement) if kind in _BY_KIND else None
    if change is None:
        raise ValueError(f"the ledger's {kind} can't be read back: {sql}")
    return replace(change, options=own)


def _known(statement: SqlStatement) -> Change | None:
    for kind in KINDS:
        change = kind.from_ast(statement)
        if change is not None:
            return change
    return None
