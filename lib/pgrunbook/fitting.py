"""The SQL inside a runbook's TOML: whether each piece can be what it is said to be. Pure; nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pgrunbook import sqlfile
from pgrunbook.sqlfile import SqlFileError

if TYPE_CHECKING:
    from pgrunbook.runbook import Query


def no_insert(sql: str) -> str:
    """Why a statement can't be the one that makes a row for a tenant; empty where it can."""
    try:
        found = sqlfile.split(sql, variables=True)
    except SqlFileError as e:
        return str(e)
    if len(found) != 1 or found[0].node_kind != "insert_stmt":
        return "has to be one INSERT"
    return "" if found[0].parameters == ("tenant",) else "has to name the tenant as :'tenant', and nothing else so"


def samples_nobody(sql: str) -> str:
    """Why a query can't sample an actor; empty where it can."""
    try:
        found = sqlfile.split(sql)
    except SqlFileError as e:
        return str(e)
    if len(found) != 1 or sqlfile.writes(found[0]):
        return "has to be one query that only reads"
    columns = columns_of(found[0].node)
    missing = [] if columns is None else [c for c in ("claims", "tenants") if c not in columns]
    return f"samples no column {' and no column '.join(missing)}" if missing else ""


def no_condition(condition: str) -> str:
    """Why a text is no condition over a row; empty where it is one.

    >>> no_condition("org_id = any(:tenants)"), no_condition("org_id = :org")
    ('', 'knows :tenants only, not :org')
    >>> no_condition("true) or (true")
    'is no condition: syntax error at or near ")"'
    """
    try:
        sqlfile.split(f"select {condition}", variables=True)  # by itself, so that no bracket closes one of ours
        found = sqlfile.split(f"select 1 where ({condition}\n)", variables=True)[0]
    except SqlFileError as e:
        return f"is no condition: {e}"
    if sqlfile.writes(found):
        return "is no condition: it writes"
    unknown = [p for p in found.parameters if p != "tenants"]
    return f"knows :tenants only, not :{unknown[0]}" if unknown else ""


def columns_of(node: Any) -> set[str] | None:
    """The names of a query's columns; None where its text alone does not tell them all."""
    while node.HasField("larg"):
        node = node.larg
    names = set()
    for item in node.target_list:
        target = item.res_target
        last = target.val.column_ref.fields[-1] if target.val.column_ref.fields else None
        if target.name:
            names.add(target.name)
        elif last is not None and last.HasField("string"):
            names.add(last.string.sval)
        else:
            return None
    return names or None


def rewrite_mistakes(query: Query, others: Mapping[str, Query]) -> Iterator[tuple[str, str]]:
    """Why a query can't be held against the one it replaces: the key of its front matter to mend, and the reason."""
    rewrite, old = query.rewrite, others.get(query.replaces)
    if rewrite is None:
        return
    if old is None:
        there = ", ".join(sorted(others)) or "none"
        yield (
            "replaces",
            f"replaces: no query {query.replaces!r} that replaces none itself; there are: {there}",
        )
        return
    if query.binds:
        yield "binds", f"binds: they stand with {old.name}, which it replaces: both get the same values"
    if len(query.statements) != 1 or len(old.statements) != 1:
        yield "replaces", f"replaces: {query.name} and {old.name} need one statement each, or rows can't be compared"
    if rewrite.same == "page" and len(set(rewrite.page)) != 2:
        yield "page", 'page: names two parameters, the length of a page and the rows before it: ["limit", "offset"]'
    if rewrite.same != "page" and rewrite.page:
        yield "page", 'page: is for same = "page"'
    for name, sql in old.binds.items():
        columns = columns_of(sqlfile.split(sql)[0].node)
        for missing in sorted(set(query.sampled) - {"now"} - (columns or set(query.sampled))):
            yield "replaces", f"replaces: binds.{name} of {old.name} samples no column {missing}"
