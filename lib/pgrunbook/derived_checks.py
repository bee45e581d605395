"""Checks that follow from a migration's statements: what has to be there afterwards, held against the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.authoring import DraftCheck, file_name
from pgrunbook.changes import Change
from pgrunbook.changes.alter_policy import AlterPolicy
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.changes.drop_index import DropIndex
from pgrunbook.description import CheckFront
from pgrunbook.sqlfile import quoted

_PB = postgast.pg_query_pb2

_VALID = """\
select w.index_name, w.table_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not x.indisvalid then 'invalid'
        when not x.indisready or not x.indislive then 'not ready'
        else 'on other columns: ' || k.columns
    end as fault
from (values ({index}, {table}, {columns})) as w (index_name, table_name, columns)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = x.indexrelid
) as k on true
where (x.indisvalid and x.indisready and x.indislive and (w.columns is null or k.columns = w.columns)) is not true
order by w.index_name"""

_GONE = """\
select {index} as index_name, 'still there' as fault
where pg_catalog.to_regclass({index}) is not null"""

_WRAPPED = r"""
with said as (
    select pg_catalog.regexp_replace(
            pg_catalog.concat_ws(
                ' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
            ), '\s+', ' ', 'g'
        ) as expression
    from pg_catalog.pg_policy as p
    where p.polrelid = pg_catalog.to_regclass({table}) and p.polname = {policy}
),
bare as (
    select pg_catalog.regexp_replace(
            s.expression, '\( SELECT ((?! FROM )[^()]|\(([^()]|\([^()]*\))*\))*\)', '', 'g'
        ) as expression
    from said as s
)
select {policy} as policy, 'missing' as fault
where not exists (select from said)
union all
select {policy}, 'calls ' || f.name || '() for each row'
from bare as b
cross join (values {functions}) as f (name, pattern)
where b.expression ~ f.pattern
order by fault"""


def checks_of(changes: Iterable[Change]) -> list[DraftCheck]:
    """One check a new index, a dropped one, and a policy whose calls are wrapped; other kinds verify themselves."""
    found: list[DraftCheck] = []
    for change in changes:
        for check in _checks(change):
            name = file_name(check.name, {c.name for c in found})
            found.append(replace(check, name=name))
    return found


def _checks(change: Change) -> Iterator[DraftCheck]:
    match change:
        case CreateIndex() if change.name:
            yield _valid(change)
        case DropIndex():
            sql = _GONE.format(index=_text(change.object))
            yield DraftCheck(f"index {change.object} gone", CheckFront(title=f"Index {change.object} is gone"), sql)
        case AlterPolicy():
            yield from _wrapped(change)


def _valid(change: CreateIndex) -> DraftCheck:
    node: Any = change.written.node
    columns = [p.index_elem.name for p in [*node.index_params, *node.index_including_params]]
    table = quoted(node.relation.schemaname, node.relation.relname)
    sql = _VALID.format(
        index=_text(change.object),
        table=_text(table),
        columns=_text(", ".join(columns)) if all(columns) else "null::text",
    )
    return DraftCheck(
        f"index {change.object} valid",
        CheckFront(title=f"Index {change.object} is there, on {table}, and valid"),
        sql,
        comment="By state, not by name: a build that failed leaves an index which writes pay for and no query reads.",
    )


def _wrapped(change: AlterPolicy) -> Iterator[DraftCheck]:
    node: Any = change.written.node
    called = sorted({name for part in (node.qual, node.with_check) for name in wrapped_calls(part)})
    if not called:
        return
    table = quoted(node.table.schemaname, node.table.relname)
    patterns = {name: rf"\m{re.escape(quoted(name))}\(" for name in called}
    functions = ", ".join(f"({_text(name)}, {_text(pattern)})" for name, pattern in patterns.items())
    yield DraftCheck(
        f"policy {table} {node.policy_name} wrapped",
        CheckFront(
            title=f"Policy {node.policy_name} of {table} calls {', '.join(called)} once a query, not once a row"
        ),
        _WRAPPED.format(table=_text(table), policy=_text(node.policy_name), functions=functions).strip(),
        comment="What remains of its expressions without sub-selects that read no table must hold no such call.",
    )


def wrapped_calls(expression: Any) -> set[str]:
    """The functions that an expression calls in a sub-select of their own, which the server evaluates once a query."""
    found = set()
    for _, message in sqlfile.walk(expression):
        node: Any = message
        if node.DESCRIPTOR.name != "SubLink" or node.sub_link_type != _PB.EXPR_SUBLINK:
            continue
        inside: Any = node.subselect.select_stmt
        if not inside.from_clause:
            calls: list[Any] = [m for _, m in sqlfile.walk(inside) if m.DESCRIPTOR.name == "FuncCall"]
            found |= {str(call.funcname[-1].string.sval) for call in calls}
    return found


def _text(value: str) -> str:
    """A text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
