"""What the workload did: the statements of pg_stat_statements as facts, with the columns that each of them tests.

The texts hold no values, `$1` stands in their place: a fact says that a column was compared, never with what. Constants
that the server left in a text, as it does in utility statements, are taken out before it is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook.audit import NotSeen, _columns, _counters
from pgrunbook.audit._columns import Catalog, Function, Relation
from pgrunbook.audit._counters import LONGEST, WHAT, Counted
from pgrunbook.audit._counters import Window as Window
from pgrunbook.audit._predicates import parse
from pgrunbook.audit._scopes import Parsed
from pgrunbook.db import Database
from pgrunbook.evidence.redact import without_literals
from pgrunbook.sqlfile import quoted

_SHOWN = 2000
_OURS = "sampled"  # what our own stages call the sub-query that they take values or people from
_DO = "do $$ … $$"
# Housekeeping, of which the server makes texts that are no SQL: `deallocate $1`, `set search_path = $1, $2`.
_HOUSEKEEPING = re.compile(
    r"(?:\s|/\*.*?\*/|--[^\n]*\n)*"
    r"(?:abort|alter|analyze|begin|checkpoint|close|comment|commit|deallocate|discard|drop|end|explain|grant|listen|lock"
    r"|notify|prepare|reindex|release|reset|revoke|rollback|savepoint|set|show|start|unlisten|vacuum)\b",
    re.IGNORECASE | re.DOTALL,
)
_BY_NAME = 180000  # from here on a statement's id is made of its tables' names, before of the tables

Facts = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Relation:
    schema: str
    name: str
    has_namesakes: bool
    oid: int
    found_schema: str
    found_name: str
    system: bool
    definition: str
    columns: list[str]
    numbers: list[int]
    types: list[str]


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    aggregate: bool
    immutable: bool


def read(
    database: Database, since: Mapping[str, Any] | None = None
) -> tuple[Facts | None, Facts, Window, list[NotSeen]]:
    """The statements, their predicates, the time they were counted in, and what could not be seen.

    The statements are None where there are no statistics at all. `since` is a `snapshot` taken before: then only what
    came after it is told. Raises `StatementFailed` for what is no lack of an extension or of rights.
    """
    told = _counters.told(database)
    if told.lack:
        return None, [], told.window, [told.lack]
    counted, window, anew = _counters.after(told, since) if since else (told.counted, told.window, [])
    parsed, unread = _parsed(counted)
    catalog, unknown = _catalog(database, told.source.path, [p for p in parsed.values() if p])
    statements, predicates = _facts(counted, parsed, catalog, window)
    not_seen = [*_counters.hidden(told), *anew, *unread, *unknown]
    if not statements and not told.hidden:
        why = "pg_stat_statements holds none for this database in this time"
        not_seen.append(NotSeen(WHAT, why, "let the application run, then look again"))
    return statements, predicates, window, not_seen


def snapshot(database: Database) -> dict[str, Any] | None:
    """The counters as they are now, for `read(…, since)` later; without any text. None where there are none."""
    told = _counters.told(database, texts=False)
    return None if told.lack else _counters.snapshot(told)


def _parsed(counted: Sequence[Counted]) -> tuple[dict[str, Parsed | None], list[NotSeen]]:
    """The parse of each text, None for housekeeping; without those that could not be read."""
    found: dict[str, Parsed | None] = {}
    long = lost = broken = 0
    for one in counted:
        if one.text is None:
            long, lost = long + (one.length > LONGEST), lost + (one.length <= LONGEST)
            continue
        try:
            found[one.id] = parse(one.text)
        except postgast.PgQueryError:
            if _HOUSEKEEPING.match(one.text):
                found[one.id] = None
            else:
                broken += 1
    return found, [
        *_some(long, f"with a text of more than {LONGEST:,} bytes, which is not parsed"),
        *_some(
            lost, "without a text, since the server lost its file", "a reset of pg_stat_statements begins a new one"
        ),
        *_some(broken, "whose text could not be parsed, as it is cut off or of a newer grammar"),
    ]


def _some(number: int, why: str, remedy: str = "") -> list[NotSeen]:
    return [NotSeen(WHAT, f"statements {why}: {number:,}", remedy)] if number else []


def _catalog(database: Database, path: Sequence[str], parsed: Sequence[Parsed]) -> tuple[Catalog, list[NotSeen]]:
    """The relations and functions that statements name, in two questions to the server."""
    names = {source.table for p in parsed for source in p.sources if source.table}
    with database.transaction(read_only=True, search_path="pg_catalog"):
        rows = database.fetch("audit_relations", _Relation, names=json.dumps(sorted(names)), path=list(path))
    views: dict[int, Parsed | None] = {}
    for row in rows:
        if row.definition and row.oid not in views:
            try:
                views[row.oid] = parse(row.definition)
            except postgast.PgQueryError:
                views[row.oid] = None
    every = [*parsed, *(view for view in views.values() if view)]
    called = {f.rpartition(".")[2] for p in every for f in p.functions}
    called |= {f for p in every for test in p.tests for f in test.functions}
    functions = database.fetch("audit_functions", _Function, names=sorted(called))
    catalog = Catalog(
        {(row.schema, row.name): _relation(row, views.get(row.oid)) for row in rows},
        {f.name: Function(f.aggregate, f.immutable) for f in functions},
    )
    several = {(row.schema, row.name) for row in rows if not row.oid}
    unread = {(row.schema, row.name) for row in rows if row.definition and not views[row.oid]}
    shared = {(row.schema, row.name) for row in rows if row.has_namesakes and database.version >= _BY_NAME}
    missing = [_columns.unknown(p, catalog) for p in parsed]
    return catalog, [
        *_some(
            sum(bool(m & several) for m in missing),
            "that name a table without its schema, which several schemas have and the search_path finds in none",
            "audit with the application's search_path",
        ),
        *_some(sum(bool(m - several) for m in missing), "that name a table which is not there (dropped, or temporary)"),
        *_some(
            sum(any(s.table in shared for s in p.sources) for p in parsed),
            "on a table whose name other schemas have too; from PostgreSQL 18 on they count as one with the same "
            "statement there, under the text and schema of the first",
        ),
        *_some(
            sum(any(s.table in unread for s in p.sources) for p in parsed),
            "on a view whose definition could not be parsed",
        ),
    ]


def _relation(row: _Relation, view: Parsed | None) -> Relation | None:
    if not row.oid:
        return None
    columns = {n: (number, kind) for n, number, kind in zip(row.columns, row.numbers, row.types, strict=True)}
    return Relation(row.oid, quoted(row.found_schema, row.found_name), row.system, columns, view)


def _facts(
    counted: Sequence[Counted], parsed: Mapping[str, Parsed | None], catalog: Catalog, window: Window
) -> tuple[Facts, Facts]:
    kept = [one for one in counted if _is_work(parsed.get(one.id, Parsed("other")), catalog)]
    total = sum(one.top_ms for one in kept)
    statements, predicates = [], []
    for one in kept:
        tree = parsed.get(one.id)
        tests = _columns.predicates(one.id, tree, catalog) if tree else []
        shape = _columns.shape(tree or Parsed("other"), catalog)
        predicates += tests
        statements.append({
            "id": one.id, "text": _shown(one, tree), "kind": tree.kind if tree else "other", "calls": one.calls,
            "rows": one.rows, "ms": one.ms, "mean_ms": one.ms / one.calls, "max_ms": one.max_ms, "blocks": one.blocks,
            "read": one.read, "temp": one.temp, "share": min(one.ms / total, 1.0) if total else 0.0,
            "roles": one.roles, "seconds": window.seconds, "parsed": tree is not None, **shape,
            "simple": tree is not None and _columns.simple(tree, shape, tests, catalog),
        })  # fmt: skip
    return statements, predicates


def _is_work(parsed: Parsed | None, catalog: Catalog) -> bool:
    """Whether a statement is the application's: no housekeeping, not on the server's own tables alone.

    What the server asks itself to keep a foreign key is left out too: it belongs to the statement that wrote.
    """
    if parsed is None or parsed.internal:
        return False
    first = parsed.query.sources[:2] if parsed.query else []
    if len(first) == 1 and first[0].query and first[0].alias == _OURS:
        return False
    named = [source for source in parsed.sources if source.table]
    if named:
        relations = [catalog.relation(source) for source in named]
        return not all(r is not None and r.system for r in relations)
    if parsed.kind != "select":
        return True
    return bool(parsed.functions) and not any(f.startswith("pg_catalog.") for f in parsed.functions)  # ours say so


def _shown(one: Counted, parsed: Parsed | None) -> str:
    """A text on one line, without constants."""
    if one.text is None:
        return ""
    text = one.text
    if parsed and parsed.query is None and text.lstrip()[:2].lower() == "do":
        return _DO
    if parsed is None or parsed.query is None or "'" in text or "$" not in text:
        with suppress(postgast.PgQueryError):
            text = postgast.normalize(text)
        text = without_literals(text)  # those of most utility statements are no constants to the parser
    return " ".join(text.split())[:_SHOWN]
