"""Taking a statement apart: each command of an ALTER TABLE, each object of a DROP or GRANT, is a change of its own.

What blocks traffic in one statement and need not in several becomes several: a column, its rows, its constraints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_LISTS = {"alter_table_stmt": "cmds", "drop_stmt": "objects", "grant_stmt": "objects"}
_OF_THE_TABLE = (_PB.CONSTR_CHECK, _PB.CONSTR_FOREIGN, _PB.CONSTR_UNIQUE, _PB.CONSTR_PRIMARY)
_ATTRIBUTES = {
    _PB.CONSTR_ATTR_DEFERRABLE: ("deferrable", True),
    _PB.CONSTR_ATTR_NOT_DEFERRABLE: ("deferrable", False),
    _PB.CONSTR_ATTR_DEFERRED: ("initdeferred", True),
    _PB.CONSTR_ATTR_IMMEDIATE: ("initdeferred", False),
    _PB.CONSTR_ATTR_ENFORCED: ("is_enforced", True),
    _PB.CONSTR_ATTR_NOT_ENFORCED: ("is_enforced", False),
}
# functions that the server evaluates once for all rows that are there
_ONCE = ("now", "transaction_timestamp", "statement_timestamp")


def parts(statement: SqlStatement) -> list[SqlStatement]:
    """The statement's parts in order; itself where there is but one."""
    return [part for one in _listed(statement) for part, _ in _taken_apart(one)]


def column_of(statement: SqlStatement) -> str:
    """The `table.column` whose ADD COLUMN a statement is a part of; empty for none."""
    if not statement.whole or statement.whole == statement.sql:
        return ""
    whole = sqlfile.split(statement.whole)[0]
    found = (column for one in _listed(whole) for part, column in _taken_apart(one) if part.sql == statement.sql)
    return next(found, "")


def part_of(statement: SqlStatement, edit: Callable[[Any], None]) -> SqlStatement:
    """The statement after `edit` changed its node; it keeps its place, and remembers the author's text."""
    return another(statement, [sqlfile.rewritten(statement.sql, edit)])[0]


def another(statement: SqlStatement, texts: Iterable[str]) -> list[SqlStatement]:
    """Statements that take the place of one; they keep its line and remember the author's text."""
    whole = statement.whole or statement.sql
    return [
        replace(
            sqlfile.split(text)[0],
            line=statement.line,
            position=statement.position,
            whole=whole,
            block=statement.block,
        )
        for text in texts
    ]


def may_be_volatile(expression: Any) -> bool:
    """Whether a default may have to be evaluated anew for each row: only the server knows what a function does."""
    calls: list[Any] = [call for name, call in sqlfile.walk(expression) if name == "func_call"]
    return any(call.funcname[-1].string.sval not in _ONCE for call in calls)


def default_of(column: Any) -> Any | None:
    """The expression of a column's DEFAULT."""
    found = (c.constraint.raw_expr for c in column.constraints if c.constraint.contype == _PB.CONSTR_DEFAULT)
    return next(found, None)


def is_serial(column: Any) -> bool:
    return any("serial" in name.string.sval for name in column.type_name.names)


def fills_itself(column: Any) -> bool:
    """Whether the server gives each row a value as it adds the column, under its lock, or stores none at all."""
    kinds = {c.constraint.contype for c in column.constraints}
    return is_serial(column) or bool(kinds & {_PB.CONSTR_IDENTITY, _PB.CONSTR_GENERATED})


def _listed(statement: SqlStatement) -> list[SqlStatement]:
    name = _LISTS.get(statement.node_kind, "")
    items = list(getattr(statement.node, name)) if name else []
    if len(items) < 2:
        return [statement]
    return [part_of(statement, _only(name, item)) for item in items]


def _only(name: str, item: Any) -> Callable[[Any], None]:
    def edit(node: Any) -> None:
        field = getattr(node, name)
        del field[:]
        field.append(item)

    return edit


def _taken_apart(statement: SqlStatement) -> list[tuple[SqlStatement, str]]:
    """One command's parts, each with the `table.column` that they add."""
    node: Any = statement.node
    if statement.node_kind != "alter_table_stmt" or node.objtype != _PB.OBJECT_TABLE:
        return [(statement, "")]
    command = node.cmds[0].alter_table_cmd
    if command.subtype == _PB.AT_AddConstraint:
        keys = [k.string.sval for k in _definition(command).constraint.keys]
        if _definition(command).constraint.contype == _PB.CONSTR_PRIMARY and keys:
            return [(part, "") for part in [*another(statement, _not_null(statement, keys)), statement]]
    if command.subtype == _PB.AT_AddColumn:
        column = _definition(command).column_def
        texts = list(_of_column(statement, column))
        label = f"{node.relation.relname}.{column.colname}"
        return [(part, label) for part in (another(statement, texts) if len(texts) > 1 else [statement])]
    return [(statement, "")]


def _of_column(statement: SqlStatement, column: Any) -> Iterator[str]:
    """ADD COLUMN, the values of the rows that are there, NOT NULL, and the constraints, as statements of their own."""
    constraints = _gathered(column.constraints)
    default = default_of(column)
    filled_later = default is not None and may_be_volatile(default)
    at_once = fills_itself(column) and not any(c.generated_kind == "v" for c in constraints)
    not_null = [c for c in constraints if c.contype == _PB.CONSTR_NOTNULL]
    own = [c for c in constraints if c.contype in _OF_THE_TABLE]
    primary = any(c.contype == _PB.CONSTR_PRIMARY for c in own)
    inline = at_once or (default is not None and not filled_later)
    if any(c.conname for c in not_null) and not inline:  # a name that SET NOT NULL can't give
        yield statement.sql
        return
    left_out = [*own, *([] if inline else not_null)]

    def bare(node: Any) -> None:
        made = _definition(node.cmds[0].alter_table_cmd).column_def
        del made.constraints[:]
        for constraint in constraints:
            if constraint not in left_out:
                made.constraints.add().constraint.CopyFrom(constraint)

    if not left_out and not filled_later:
        yield statement.sql
        return
    yield sqlfile.rewritten(statement.sql, bare)
    if filled_later:
        yield _fill(statement, column.colname, default)
    if (not_null and not inline) or (primary and not (inline and not_null)):
        yield from _not_null(statement, [column.colname])
    for constraint in own:
        yield _as_table_constraint(statement, column.colname, constraint)


def _gathered(constraints: Any) -> list[Any]:
    """A column's constraints, with what is written behind one (DEFERRABLE, …) put into it."""
    made: list[Any] = []
    for item in constraints:
        constraint = item.constraint
        if constraint.contype in _ATTRIBUTES and made:
            name, value = _ATTRIBUTES[constraint.contype]
            setattr(made[-1], name, value)
            if name == "initdeferred" and value:
                made[-1].deferrable = True
            if name == "is_enforced":
                made[-1].skip_validation, made[-1].initially_valid = not value, value
            continue
        made.append(type(constraint)())
        made[-1].CopyFrom(constraint)
    return made


def _not_null(statement: SqlStatement, columns: Iterable[str]) -> Iterator[str]:
    for column in columns:
        yield _altering(statement, f"alter table t alter column {quoted(column)} set not null")


def _fill(statement: SqlStatement, column: str, default: Any) -> str:
    node: Any = statement.node

    def edit(update: Any) -> None:
        update.relation.CopyFrom(node.relation)
        update.relation.inh = True
        update.target_list[0].res_target.val.CopyFrom(default)

    name = quoted(column)
    return sqlfile.rewritten(f"update t set {name} = null where {name} is null", edit)  # noqa: S608


def _as_table_constraint(statement: SqlStatement, column: str, constraint: Any) -> str:
    def edit(node: Any) -> None:
        made = _definition(node.cmds[0].alter_table_cmd).constraint
        made.CopyFrom(constraint)
        keys = made.fk_attrs if constraint.contype == _PB.CONSTR_FOREIGN else made.keys
        if constraint.contype != _PB.CONSTR_CHECK:
            keys.add().string.sval = column

    text = sqlfile.rewritten("alter table t add check (true)", edit)
    return _altering(statement, text)


def _altering(statement: SqlStatement, text: str) -> str:
    """An ALTER TABLE of the table that the statement alters."""
    node: Any = statement.node
    return sqlfile.rewritten(text, lambda made: made.relation.CopyFrom(node.relation))


def _definition(command: Any) -> Any:
    return getattr(command, "def")
