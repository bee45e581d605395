"""Taking a statement apart: each command of an ALTER TABLE, each object of a DROP or GRANT, is a change of its own.

What blocks traffic in one statement and need not in several becomes several: a column, its rows, its constraints. A new
table's foreign keys come after it, since they lock other tables, and tables may refer to each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import _constraints, _do_blocks
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
# the elements of a CREATE SCHEMA in the order in which the server makes them
_ELEMENTS = ("create_seq_stmt", "create_stmt", "view_stmt", "index_stmt", "create_trig_stmt", "grant_stmt")
_OF_SEQUENCES = ("nextval", "currval", "setval")
# functions that the server evaluates once for all rows that are there
_ONCE = ("now", "transaction_timestamp", "statement_timestamp")


def parts(statement: SqlStatement) -> list[SqlStatement]:
    """The statement's parts in order; itself where there is but one."""
    if guarded := _do_blocks.inside(statement):
        return [part for one in another(statement, guarded) for part in parts(one)]
    found = [part for whole in _of_schema(statement) for one in _listed(whole) for part, _ in _taken_apart(one)]
    if statement.node_kind == "create_schema_stmt":  # its tables may refer to each other
        found.sort(key=lambda part: part.node_kind == "alter_table_stmt")
    return found


def column_of(statement: SqlStatement) -> str:
    """The `table.column` whose ADD COLUMN a statement is a part of; empty for none."""
    if not statement.whole or statement.whole == statement.sql:
        return ""
    return _columns(statement.whole).get(statement.sql, "")


@functools.lru_cache(maxsize=1024)
def _columns(text: str) -> dict[str, str]:
    """The `table.column` that each part of a statement adds, by the part's text."""
    whole = sqlfile.split(text)[0]
    found: dict[str, str] = {}
    for one in another(whole, _do_blocks.inside(whole)) or [whole]:
        for listed in _listed(one):
            for part, column in _taken_apart(listed):
                found.setdefault(part.sql, column)
    return found


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
    if statement.node_kind == "create_stmt":
        return [(part, "") for part in _of_table(statement)]
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


def _of_table(statement: SqlStatement) -> list[SqlStatement]:
    """A table without its foreign keys, and each of those, named as the server would name it."""
    node: Any = statement.node
    keys: list[Any] = []
    for element in node.table_elts:
        if element.constraint.contype == _PB.CONSTR_FOREIGN:
            keys.append(element.constraint)
        for key in _gathered(element.column_def.constraints):
            if key.contype == _PB.CONSTR_FOREIGN:
                key.fk_attrs.add().string.sval = element.column_def.colname
                keys.append(key)
    if not keys or node.relation.relpersistence == "t":
        return [statement]

    def bare(made: Any) -> None:
        kept = [e for e in made.table_elts if e.constraint.contype != _PB.CONSTR_FOREIGN]
        del made.table_elts[:]
        made.table_elts.extend(kept)
        for element in made.table_elts:
            if element.HasField("column_def"):
                _without_foreign_key(element.column_def)

    texts = [sqlfile.rewritten(statement.sql, bare)]
    taken = {key.conname for key in keys}
    for key in keys:
        if not key.conname:
            key.conname = _free_name(str(node.relation.relname), key, taken)
            taken.add(key.conname)
        texts.append(_adding(node.relation, key))
    return another(statement, texts)


def _without_foreign_key(column: Any) -> None:
    """Take a column's REFERENCES away, with what is written behind it (DEFERRABLE, …)."""
    kept: list[Any] = []
    of_key = False
    for item in column.constraints:
        if item.constraint.contype not in _ATTRIBUTES:
            of_key = item.constraint.contype == _PB.CONSTR_FOREIGN
        if not of_key:
            kept.append(item)
    del column.constraints[:]
    column.constraints.extend(kept)


def _free_name(table: str, key: Any, taken: Iterable[str]) -> str:
    columns = [k.string.sval for k in key.fk_attrs]
    names = (_constraints.chosen_name(table, columns, f"fkey{n or ''}") for n in count())
    return next(name for name in names if name not in taken)


def _adding(relation: Any, constraint: Any) -> str:
    def edit(node: Any) -> None:
        node.relation.schemaname, node.relation.relname = relation.schemaname, relation.relname
        _definition(node.cmds[0].alter_table_cmd).constraint.CopyFrom(constraint)

    return sqlfile.rewritten("alter table t add check (true)", edit)


def _of_schema(statement: SqlStatement) -> list[SqlStatement]:
    """CREATE SCHEMA and what is made in it; itself where that is not certain to mean the same by itself."""
    node: Any = statement.node
    if statement.node_kind != "create_schema_stmt" or not node.schema_elts:
        return [statement]
    schema = node.schemaname or node.authrole.rolename
    elements = sorted(node.schema_elts, key=lambda e: _ELEMENTS.index(e.WhichOneof("node")))
    below: list[tuple[str, Any]] = [found for e in elements for found in sqlfile.walk(e)]
    named: list[Any] = [n for _, n in below if n.DESCRIPTOR.name == "RangeVar"]
    made = {_made_in_schema(e) for e in elements}
    obscure = any(
        (name == "common_table_expr" and n.ctename in made)
        or (name == "func_call" and n.funcname[-1].string.sval in _OF_SEQUENCES)
        for name, n in below
    )
    if obscure or not schema:
        return [statement]
    texts = []
    for relation in named:
        if relation.relname in made:
            relation.schemaname = relation.schemaname or schema

    def bare(only: Any) -> None:
        del only.schema_elts[:]

    for element in elements:
        tree = postgast.parse("select 1")
        tree.stmts[0].stmt.CopyFrom(element)
        texts.append(sqlfile.deparsed(tree))
    return another(statement, [sqlfile.rewritten(statement.sql, bare), *texts])


def _made_in_schema(element: Any) -> str:
    """The name of the relation that an element of CREATE SCHEMA makes; empty for what belongs to another."""
    kind = element.WhichOneof("node")
    field = {"create_stmt": "relation", "create_seq_stmt": "sequence", "view_stmt": "view"}.get(kind, "")
    return str(getattr(getattr(element, kind), field).relname) if field else ""


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
