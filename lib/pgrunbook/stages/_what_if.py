"""Trying proposed indexes for an audit: with hypopg, on a clone of the sandbox, or on a copy that a person names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pgrunbook import db, errors, sqlfile
from pgrunbook.audit import Facts, Finding, clone, column_order, what_if
from pgrunbook.audit.column_order import Ranked
from pgrunbook.audit.runnable import NotRunnable, whole_text
from pgrunbook.audit.what_if import Ask, WhatIf
from pgrunbook.db import Database
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted
from pgrunbook.stages._base import Session

_MOST, _MOST_ASKS, _PER_QUERY = 12, 20, 3
_NOTHING = "no index is proposed"
_NO_WAY = (
    'not asked: this server has no hypopg, and nobody said where an index may be really built. what_if = "clone" tries '
    "on a copy of the sandbox, the name of another target on a copy of this database there"
)
_NO_ORDER = "not measured: it needs a copy (what_if), and an index of several columns"


@dataclass(frozen=True, slots=True)
class _Proposal:
    """An index that a finding proposes; `relation` is its table's oid."""

    ddl: str
    table: str
    relation: int
    columns: int


def ask(session: Session, facts: Facts, findings: Sequence[Finding]) -> tuple[list[WhatIf] | str, list[Ranked] | str]:
    """The planner's answers, and the orders of columns as they were measured; in words why there are none."""
    proposals = list(_proposals(session.database, findings))[:_MOST]
    if not proposals:
        return _NOTHING, _NOTHING
    where = session.parameters.what_if  # type: ignore[attr-defined]
    if not where:
        return _by_hypopg(session, facts, proposals), _NO_ORDER
    answers: list[WhatIf] = []
    ranked: dict[str, list[Ranked]] = {}
    with _copy(session, where) as copy:
        for one in proposals:
            session.tell(f"trying {one.ddl}")
            answers += _telling(what_if.by_building(copy, one.ddl, _asks(session, facts, one, copy, values=True)))
            orders = column_order.orders(facts.predicates, one.relation)
            queries = _queries_on(session, one.table)
            if one.columns > 1 and len(orders) > 1 and queries and one.table not in ranked:
                ranked[one.table] = column_order.best_order(copy, one.table, orders, queries)
    return answers or _NOTHING, [row for own in ranked.values() for row in own] or _NO_ORDER


def _by_hypopg(session: Session, facts: Facts, proposals: Sequence[_Proposal]) -> list[WhatIf] | str:
    if what_if.hypopg(session.database) != "installed":
        return _NO_WAY
    answers: list[WhatIf] = []
    for one in proposals:
        answers += _telling(what_if.by_hypopg(session.database, one.ddl, _asks(session, facts, one, session.database)))
    return answers or _NOTHING


def _telling(rows: Sequence[WhatIf]) -> list[WhatIf]:
    """One row a query: that of the values which gain most, or lose most where none gains."""
    by_query: dict[str, list[WhatIf]] = {}
    for row in rows:
        by_query.setdefault(row.query, []).append(row)
    return [max(own, key=_gain) for own in by_query.values()]


def _gain(row: WhatIf) -> tuple[bool, float]:
    before, after = (row.buffers_before, row.buffers_after)
    if before is None or after is None:
        return row.used, (row.cost_before or 0) - (row.cost_after or 0)
    return row.used, before - after


def _proposals(database: Database, findings: Sequence[Finding]) -> Iterator[_Proposal]:
    """Each index that a remedy would create, once."""
    seen = set()
    for finding in findings:
        for statement in sqlfile.split(finding.remedy) if finding.remedy else ():
            if statement.node_kind != "index_stmt" or statement.sql in seen:
                continue
            seen.add(statement.sql)
            node: Any = statement.node
            table = quoted(node.relation.schemaname, node.relation.relname)
            relation = database.value("select pg_catalog.to_regclass($1)::pg_catalog.oid", [table])
            if relation is not None:
                yield _Proposal(statement.sql, table, int(relation), len(node.index_params))


def _asks(
    session: Session, facts: Facts, proposal: _Proposal, database: Database, *, values: bool = False
) -> list[Ask]:
    """What is asked about an index: the runbook's queries on its table, and statements known to test its columns."""
    asks: list[Ask] = []
    if queries := _queries_on(session, proposal.table):
        sampled = what_if.sampled_asks(database, queries, session.runbook.about.limits.query_timeout_s)
        for query in dict.fromkeys(a.query for a in sampled):
            own = [a for a in sampled if a.query == query]
            asks += own[:: max(1, len(own) // _PER_QUERY)][:_PER_QUERY]  # common, rare and absent ones
    if asks and values:
        return asks[:_MOST_ASKS]
    ids = {p["id"] for p in facts.predicates if p["relation"] == proposal.relation}
    for statement in facts.statements or ():
        if statement["id"] in ids and len(asks) < _MOST_ASKS:
            try:
                text = whole_text(session.database, statement)
                asks.append(
                    what_if.ask_of(database, f"query {statement['id']}", text, relations=statement["relations"])
                )
            except NotRunnable:
                continue
    return asks


def _queries_on(session: Session, table: str) -> list[Query]:
    """The runbook's queries that read a table, by its bare name or its full one."""
    schema, _, name = table.rpartition(".")
    found = []
    for query in session.runbook.workload:
        named: list[Any] = [n for s in query.statements for kind, n in sqlfile.walk(s.node) if kind == "range_var"]
        tables = {(node.schemaname, node.relname) for node in named}
        if any(quoted(n) == name and (not s or quoted(s) == schema) for s, n in tables):
            found.append(query)
    return found


@contextmanager
def _copy(session: Session, where: str) -> Iterator[Database]:
    """A database where an index may really be built. Raises `WrongUsage` where it is the audited one itself."""
    path = session.runbook.about.search_path
    if where == "clone":
        session.disconnect()  # a copy needs the database to itself
        with clone.cloned(session.target, session.runbook.name, search_path=path) as copy:
            yield copy
        return
    target = db.parse_target(where)
    with db.connect(
        target, database=session.runbook.name, application_name="pgrunbook what-if", search_path=path
    ) as copy:
        here, there = (_server_of(d) for d in (session.database, copy))
        if here == there:
            raise errors.WrongUsage(
                f"what_if: {where} leads to the database that is audited, where nothing may be built",
                remedy='name a copy of it, or "clone" for the sandbox',
            )
        yield copy


def _server_of(database: Database) -> tuple[Any, ...]:
    """Which running server and database this is: a restored backup has its origin's identifier, not its start time."""
    return database.rows("select pg_catalog.pg_postmaster_start_time(), pg_catalog.current_database()")[0]
