"""What a target's own statistics say of the tables that a migration touches, as measured queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgrunbook.audit import statements
from pgrunbook.audit.runnable import NotRunnable, runnable, whole_text
from pgrunbook.authoring import DraftQuery, file_name
from pgrunbook.db import Database
from pgrunbook.description import QueryFront
from pgrunbook.importing.objects import Name
from pgrunbook.sqlfile import quoted

_MOST, _TRIED = 10, 40


def queries(database: Database, tables: Iterable[Name]) -> tuple[list[DraftQuery], list[str]]:
    """The dearest statements that read one of some tables, their constants sampled from the columns; and notes.

    The database is only read, and no statement is run.
    """
    touched = _oids(database, tables)
    if not touched:
        return [], ["no workload: none of the tables that the migration names is on the target yet"]
    facts, _, _, not_seen = statements.read(database)
    if facts is None:
        why = "; ".join(f"{n.why}; remedy: {n.remedy}" if n.remedy else n.why for n in not_seen)
        return [], [f"no workload: {why}"]
    about = [f for f in facts if touched & {int(oid) for oid in f["relations"]}]
    about.sort(key=lambda f: -float(f["ms"]))
    found: list[DraftQuery] = []
    lacking: list[str] = []
    most = max((int(f["calls"]) for f in about), default=1)
    for fact in about[:_TRIED]:
        if len(found) == _MOST:
            break
        calls = max(1, int(fact["calls"]))
        relations = [int(oid) for oid in fact["relations"]]
        text = whole_text(database, fact)
        try:
            one = runnable(database, text, relations=relations, rows_per_call=float(fact["rows"]) / calls)
        except NotRunnable as e:
            lacking.append(f"query {fact['id']} is not in the workload: {e}")
            continue
        table = one.table.removeprefix("public.") or "statement"
        name = file_name(" by ".join([table, *[" ".join(one.by)] * bool(one.by)]), {q.name for q in found})
        title = (
            f"Query {fact['id']}: {calls:,} calls, {float(fact['mean_ms']):,.1f} ms each, as pg_stat_statements has it"
        )
        weight = max(1, round(10 * calls / most))
        front = QueryFront(title=title, harmless=one.harmless, binds=dict(one.binds), weight=weight)
        comment = f"Statement {fact['id']} of pg_stat_statements, with names for its constants."
        found.append(DraftQuery(name, front, one.sql, "\n".join([comment, *one.notes])))
    return found, [*_said(found, about), *lacking]


def _said(found: Sequence[DraftQuery], about: Sequence[object]) -> list[str]:
    if not about:
        return ["no workload: pg_stat_statements holds no statement on these tables"]
    return [f"workload: {len(found)} of the {len(about)} statements that pg_stat_statements holds on these tables"]


def _oids(database: Database, tables: Iterable[Name]) -> set[int]:
    names = [quoted(*name) for name in tables]
    found = database.value(
        "select pg_catalog.array_agg(c.oid::int8) from pg_catalog.pg_class as c"
        " where c.relkind = any ('{r,p,v,m,f}'::\"char\"[]) and c.oid = any (array("
        " select pg_catalog.to_regclass(n)::oid from pg_catalog.unnest($1::text[]) as n))",
        [names],
    )
    return {int(oid) for oid in found or ()}
