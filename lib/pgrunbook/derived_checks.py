"""Checks that follow from a migration's statements: what has to be there afterwards, held against the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from pgrunbook.importing.objects import Object, effect
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
from (values
    {indexes}
) as w (index_name, table_name, columns)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = x.indexrelid
) as k on true
where (x.indisvalid and x.indisready and x.indislive and (w.columns is null or k.columns = w.columns)) is not true
order by w.index_name"""

_BY_STATE = "By state, not by name: a build that failed leaves an index which writes pay for and no query reads."

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


# An object of each kind is there; `w` has its label and its names.
_CLASS = """\
exists (
    select from pg_catalog.pg_class as c
    where c.oid = pg_catalog.to_regclass(w.name) and c.relkind = any ({kinds}::"char"[])
)"""
_OF_A_TABLE = """\
exists (
    select from pg_catalog.{catalog} as o
    where o.{table} = pg_catalog.to_regclass(w.relation) and o.{name} = w.name{more}
)"""
_IN_A_SCHEMA = """\
exists (
    select from pg_catalog.{catalog} as o
    join pg_catalog.pg_namespace as n on n.oid = o.{schema}
    where o.{name} = w.name
        and (n.nspname = w.schema or w.schema is null and n.nspname = any (pg_catalog.current_schemas(false))){more}
)"""
_BY_NAME = "exists (select from pg_catalog.{catalog} as o where o.{name} = w.name)"
_KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "schema": (("name",), _BY_NAME.format(catalog="pg_namespace", name="nspname")),
    "extension": (("name",), _BY_NAME.format(catalog="pg_extension", name="extname")),
    "role": (("name",), _BY_NAME.format(catalog="pg_roles", name="rolname")),
    "publication": (("name",), _BY_NAME.format(catalog="pg_publication", name="pubname")),
    "server": (("name",), _BY_NAME.format(catalog="pg_foreign_server", name="srvname")),
    "event trigger": (("name",), _BY_NAME.format(catalog="pg_event_trigger", name="evtname")),
    "table": (("qualified",), _CLASS.format(kinds="'{r,p}'")),
    "foreign table": (("qualified",), _CLASS.format(kinds="'{f}'")),
    "view": (("qualified",), _CLASS.format(kinds="'{v}'")),
    "materialized view": (("qualified",), _CLASS.format(kinds="'{m}'")),
    "sequence": (("qualified",), _CLASS.format(kinds="'{S}'")),
    "index": (("qualified",), _CLASS.format(kinds="'{i,I}'")),
    "column": (
        ("relation", "name"),
        _OF_A_TABLE.format(
            catalog="pg_attribute", table="attrelid", name="attname", more=" and o.attnum > 0 and not o.attisdropped"
        ),
    ),
    "constraint": (
        ("relation", "name"),
        _OF_A_TABLE.format(catalog="pg_constraint", table="conrelid", name="conname", more=" and o.convalidated"),
    ),
    "trigger": (
        ("relation", "name"),
        _OF_A_TABLE.format(catalog="pg_trigger", table="tgrelid", name="tgname", more=" and not o.tgisinternal"),
    ),
    "policy": (
        ("relation", "name"),
        _OF_A_TABLE.format(catalog="pg_policy", table="polrelid", name="polname", more=""),
    ),
    "rule": (
        ("relation", "name"),
        _OF_A_TABLE.format(catalog="pg_rewrite", table="ev_class", name="rulename", more=""),
    ),
    "type": (
        ("schema", "name"),
        _IN_A_SCHEMA.format(catalog="pg_type", schema="typnamespace", name="typname", more=""),
    ),
    "function": (
        ("schema", "name", "arguments"),
        _IN_A_SCHEMA.format(
            catalog="pg_proc",
            schema="pronamespace",
            name="proname",
            more="\n        and (w.arguments is null or o.pronargs = w.arguments)",
        ),
    ),
    "statistics": (
        ("schema", "name"),
        _IN_A_SCHEMA.format(catalog="pg_statistic_ext", schema="stxnamespace", name="stxname", more=""),
    ),
    "collation": (
        ("schema", "name"),
        _IN_A_SCHEMA.format(catalog="pg_collation", schema="collnamespace", name="collname", more=""),
    ),
}
_KINDS["aggregate"] = _KINDS["function"]
_PLURALS = {"policy": "policies", "index": "indexes", "statistics": "statistics"}
_NAMED = 3  # as many objects a title names
_ONE_BY_ONE = 12  # as many indexes have a check each


def checks_of(changes: Iterable[Change]) -> list[DraftCheck]:
    """One check a new index, a dropped one, and a policy whose calls are wrapped; other kinds verify themselves."""
    return _named_apart(check for change in changes for check in _checks(change))


def checks_of_migration(changes: Iterable[Change], there: Sequence[Object], gone: Sequence[Object]) -> list[DraftCheck]:
    """Checks that what a migration leaves is there, and what it takes away is gone: one a kind of object.

    Indexes have to be valid as well: a check each where they are few. A constraint has to be validated.
    """
    changes = list(changes)
    not_valid = _never_validated(changes)
    standing = {o.key: o for o in there if o.kind == "index"}
    indexes = {c.object: c for c in changes if isinstance(c, CreateIndex) and c.name and _is_as_made(c, standing)}
    found = [check for c in changes if isinstance(c, AlterPolicy) for check in _wrapped(c)]
    if len(indexes) <= _ONE_BY_ONE:
        found += map(_valid, indexes.values())
    else:
        title = f"The {len(indexes)} indexes are there, on their tables, and valid"
        found.append(DraftCheck("indexes valid", CheckFront(title=title), _valid_sql(indexes.values()), _BY_STATE))
    covered = {_key(c) for c in indexes.values()}
    covered |= {o.key for o in there if o.kind == "constraint" and o.name in not_valid}
    for kind in _KINDS:
        wanted = [o for o in there if o.kind == kind and o.key not in covered]
        if wanted:
            found.append(_existence(kind, wanted, missing=True))
        if left := [o for o in gone if o.kind == kind]:
            found.append(_existence(kind, left, missing=False))
    return _named_apart(found)


def _named_apart(checks: Iterable[DraftCheck]) -> list[DraftCheck]:
    found: list[DraftCheck] = []
    for check in checks:
        found.append(replace(check, name=file_name(check.name, {c.name for c in found})))
    return found


def _existence(kind: str, objects: Sequence[Object], *, missing: bool) -> DraftCheck:
    columns, condition = _KINDS[kind]
    label = "name" if columns == ("qualified",) else "label"
    rows = ",\n".join(f"    ({', '.join(_values(o, columns))})" for o in objects)
    names = ", ".join(("name",) if columns == ("qualified",) else ("label", *columns))
    plural = _PLURALS.get(kind, f"{kind}s") if len(objects) > 1 else kind
    state = "missing" if missing else "still there"
    few = ", ".join(_label(o) for o in objects) if len(objects) <= _NAMED else ""
    title = f"{plural.capitalize()} {few}" if few else f"The {len(objects)} {plural}"
    verb = ("is" if len(objects) == 1 else "are") + (" there" if missing else " gone")
    sql = (
        f"select w.{label} as {kind.replace(' ', '_')}_name, '{state}' as fault\n"
        f"from (values\n{rows}\n) as w ({names})\n"
        f"where {'not ' if missing else ''}{condition}\norder by w.{label}"
    )
    return DraftCheck(f"{plural} {'there' if missing else 'gone'}", CheckFront(title=f"{title} {verb}"), sql)


def _values(one: Object, columns: Sequence[str]) -> Iterator[str]:
    if columns == ("qualified",):
        yield _text(_label(one))
        return
    given = {
        "name": _text(one.name),
        "schema": _text(one.schema) if one.schema else "null::text",
        "relation": _text(quoted(*one.table)) if one.table else "null::text",
        "arguments": str(one.arguments) if one.arguments >= 0 else "null::int",
    }
    yield _text(_label(one))
    yield from (given[c] for c in columns)


def _label(one: Object) -> str:
    """An object's name for a reader, and for to_regclass."""
    if one.kind in ("function", "aggregate") and one.arguments >= 0:
        return f"{quoted(one.schema, one.name)} ({one.arguments} argument{'' if one.arguments == 1 else 's'})"
    return quoted(*one.table, one.name) if one.table and one.kind != "index" else quoted(one.schema, one.name)


def _key(change: CreateIndex) -> tuple[str, str, str]:
    return "index", "", change.name


def _is_as_made(change: CreateIndex, standing: Mapping[tuple[str, str, str], Object]) -> bool:
    """Whether an index is there at the end, on the table and columns that its statement names, and valid by itself."""
    node: Any = change.written.node
    left = standing.get(_key(change))
    made = next((o for o in effect(change.written).made if o.kind == "index"), None)
    if left is None or made is None or not node.relation.inh:  # ON ONLY is valid once its parts are attached
        return False
    return (left.table, left.uses) == (made.table, made.uses)


def _never_validated(changes: Iterable[Change]) -> set[str]:
    """The names of the constraints that the migration leaves NOT VALID."""
    left: set[str] = set()
    validated: set[str] = set()
    for change in changes:
        node: Any = change.written.node
        for item in node.cmds if change.written.node_kind == "alter_table_stmt" else ():
            command = item.alter_table_cmd
            constraint = getattr(command, "def").constraint
            if command.subtype == _PB.AT_AddConstraint and constraint.skip_validation:
                left.add(constraint.conname)
            elif command.subtype == _PB.AT_ValidateConstraint:
                validated.add(command.name)
    return left - validated


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
    title = f"Index {change.object} is there, on {_table_of(change)}, and valid"
    return DraftCheck(f"index {change.object} valid", CheckFront(title=title), _valid_sql([change]), _BY_STATE)


def _valid_sql(changes: Iterable[CreateIndex]) -> str:
    rows = []
    for change in changes:
        node: Any = change.written.node
        columns = [p.index_elem.name for p in [*node.index_params, *node.index_including_params]]
        shown = _text(", ".join(columns)) if all(columns) else "null::text"
        rows.append(f"({_text(change.object)}, {_text(_table_of(change))}, {shown})")
    return _VALID.format(indexes=",\n    ".join(rows))


def _table_of(change: CreateIndex) -> str:
    node: Any = change.written.node
    return quoted(node.relation.schemaname, node.relation.relname)


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
