"""The kinds of change there are; a new kind is one new module and one line in KINDS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes._base import (
    Change,
    Estimate,
    LockMode,
    ObjectOptions,
    Observation,
    State,
    Statement,
    statements_text,
)
from pgrunbook.changes.add_column import AddColumn
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.changes.raw_sql import RawSql
from pgrunbook.sqlfile import SqlStatement

__all__ = [
    "KINDS", "Change", "Estimate", "LockMode", "ObjectOptions", "Observation", "RawSql", "State", "Statement",
    "again", "statements_text", "typed",
]  # fmt: skip

KINDS = (CreateIndex, AddColumn)


def typed(
    statement: SqlStatement,
    options: Mapping[str, ObjectOptions],
    inverse: Mapping[str, tuple[str, ...]],
) -> list[Change]:
    """The changes of one statement: an ALTER TABLE of several commands gives one each, if all are known.

    `options` and `inverse` (of rollback.sql) are by label.
    """
    parts = _commands(statement)
    known = [_known(part, options) for part in parts]
    if all(known):
        return [change for change in known if change]
    label = f"statement_{statement.position}"
    return [RawSql(statement, options.get(label, ObjectOptions()), inverse.get(label, ()))]


def again(kind: str, sql: str, options: Mapping[str, Any], position: int) -> Change:
    """A change made again from what the ledger kept of it."""
    statement = replace(sqlfile.split(sql)[0], position=position)
    own = ObjectOptions.model_validate(options)
    if kind == RawSql.kind:
        return RawSql(statement, own)
    change = _known(statement, {})
    if change is None or change.kind != kind:
        raise ValueError(f"the ledger's {kind} can't be read back: {sql}")
    return replace(change, options=own)  # type: ignore[type-var]


def _known(statement: SqlStatement, options: Mapping[str, ObjectOptions]) -> Change | None:
    for kind in KINDS:
        change = kind.from_ast(statement, options)
        if change is not None:
            return change
    return None


def _commands(statement: SqlStatement) -> list[SqlStatement]:
    node: Any = statement.node
    if statement.node_kind != "alter_table_stmt" or len(node.cmds) < 2:
        return [statement]
    parts = []
    for command in node.cmds:
        tree = postgast.parse(statement.sql)
        single = tree.stmts[0].stmt.alter_table_stmt
        del single.cmds[:]
        single.cmds.append(command)
        sql = postgast.deparse(tree)
        parts.append(replace(sqlfile.split(sql)[0], line=statement.line, position=statement.position))
    return parts
