"""Trying proposed indexes for an audit: with hypopg, on a clone of the sandbox, or on a copy that a person names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import postgast

from pgrunbook import db, errors, sqlfile
from pgrunbook.audit import Facts, Finding, clone, column_order, what_if
from pgrunbook.audit.column_order import Ranked
from pgrunbook.audit.runnable import NotRunnable, whole_text
from pgrunbook.audit.what_if import Ask, Method, WhatIf
from pgrunbook.db import Database
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted
from pgrunbook.stages._base import Session

_MOST, _MOST_STATEMENTS, _PER_QUERY = 12, 5, 3
_NOTHING = "no index is proposed"
_UNASKED = "no known statement tests its first column"
_NO_WAY = (
    'not asked: this server has no hypopg, and nobody said where an index may be really built. what_if = "clone" tries '
    "on a copy of the sandbox, the name of another target on a copy of this database there"
)
# by the catalog, as the role may have no right to use the schema
_OID = (
    "select c.oid::int8 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where n.nspname = $1 and c.relname = $2"
)
_NO_ORDER = "not measured: it needs a copy (what_if), and an index of several columns"


@dataclass(frozen=True, slots=True)
class _Proposal:
    """An index that a finding proposes, on the table with this oid; `first` is its first column, '' an expression."""

    ddl: str
    table: str
    relation: int
    first: str
    columns: int
    shown: str


def require(session: Session) -> None:
    """Raise `WrongUsage` where what_if names no place to build an index in, before anything is looked at."""
    where = session.parameters.what_if  # type: ignore[attr-defined]
    if where == "clone" and not session.target.is_sandbox:
        raise errors.WrongUsage(
            f'what_if: "clone" copies databases of the sandbox only, not of {session.target.name}',
            remedy="restore a backup elsewhere, and name the target that leads there",
        )
    if where and where != "clone":
        with _elsewhere(session, where):
            pass


def ask(session: Session, facts: Facts, findings: Sequence[Finding]) -> tuple[list[WhatIf] | str, list[Ranked] | str]:
    """The planner's answers, and the orders of columns as they were measured; in words why there are none."""
    proposals = list(islice(_proposals(session.database, findings), _MOST))
    if not proposals:
        return _NOTHING, _NOTHING
    where = session.parameters.what_if  # type: ignore[attr-defined]
    if not where:
        return _by_hypopg(session, facts, proposals), _NO_ORDER
    answers: dict[_Proposal, list[WhatIf]] = {}
    ranked: dict[str, list[Ranked]] = {}
    with _copy(session, where) as copy:
        asker = _Asker(session, facts, copy)
        for one in proposals:
            session.tell(f"trying {one.ddl}")
            answers[one] = _answers(one, "built", partial(_by_building, asker, one))
            orders = column_order.orders(facts.predicates, one.relation)
            queries = _queries_on(session, one.table)
            if one.columns > 1 and len(orders) > 1 and queries and one.table not in ranked:
                ranked[one.table] = column_order.best_order(copy, one.table, orders, queries)
        for one, others in _unused_together(answers).items():
            session.tell(f"trying {one.ddl} beside others")
            found = _answers(one, "built", partial(_by_building, asker, one, others))
            if any(row.used for row in found):
                answers[one] = found
    told = [row for own in answers.values() for row in own]
    return told, [row for own in ranked.values() for row in own] or _NO_ORDER


def _unused_together(answers: Mapping[_Proposal, Sequence[WhatIf]]) -> dict[_Proposal, list[_Proposal]]:
    """Proposals that no plan took, with others of their table and statements: an OR needs an index for either side."""
    asked = {one: {row.query for row in rows if row.query} for one, rows in answers.items()}
    unused = [one for one, rows in answers.items() if asked[one] and not any(row.used for row in rows)]
    beside = {
        one: [other for other in unused if other != one and other.table == one.table and asked[one] & asked[other]]
        for one in unused
    }
    return {one: others for one, others in beside.items() if others}


def _by_hypopg(session: Session, facts: Facts, proposals: Sequence[_Proposal]) -> list[WhatIf] | str:
    database = session.database
    if what_if.hypopg(database) != "installed":
        return _NO_WAY
    asker = _Asker(session, facts, database)
    answers: list[WhatIf] = []
    for one in proposals:
        session.tell(f"asking about {one.ddl}")
        answers += _answers(one, "hypopg", partial(_by_asking, asker, one))
    return answers


def _by_asking(asker: _Asker, proposal: _Proposal) -> list[WhatIf]:
    asks, why = asker.asks(proposal)
    if not asks:
        return [WhatIf(proposal.ddl, "", "", "hypopg", note=why)]
    return what_if.by_hypopg(asker.database, proposal.ddl, asks)


def _by_building(asker: _Asker, proposal: _Proposal, beside: Sequence[_Proposal] = ()) -> list[WhatIf]:
    """The answers with the index built, and with those that stand `beside` it, before and after."""
    copy = asker.database
    asks, why = asker.asks(proposal)
    if not asks:
        return [WhatIf(proposal.ddl, "", "", "built", note=why)]
    with copy.transaction(rollback=True):
        for other in beside:
            copy.execute(sqlfile.rewritten(other.ddl, _nameless))
        rows = what_if.by_building(copy, proposal.ddl, asks)
    note = f"with {', '.join(f'({other.shown})' for other in beside)} as well"
    return [replace(row, note="; ".join(filter(None, [row.note, note]))) for row in rows] if beside else rows


def _nameless(index: Any) -> None:
    index.concurrent, index.idxname, index.if_not_exists = False, "", False


def _answers(proposal: _Proposal, method: Method, asked: Callable[[], list[WhatIf]]) -> list[WhatIf]:
    """What is told of a proposal; that it can't be built is told as well."""
    try:
        return _telling(asked())
    except errors.StatementFailed as e:
        return [WhatIf(proposal.ddl, "", "", method, note=e.message)]


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
            relation = database.value(_OID, [node.relation.schemaname, node.relation.relname])
            if relation is not None:
                names = [param.index_elem.name for param in node.index_params]
                shown = ", ".join(quoted(name) if name else "…" for name in names)
                yield _Proposal(statement.sql, table, int(relation), names[0], len(names), shown)


class _Asker:
    """Knows the statements that are asked about an index, on the database where they are asked."""

    def __init__(self, session: Session, facts: Facts, database: Database) -> None:
        self.database = database
        self._session = session
        self._facts = facts
        self._sampled: dict[str, list[Ask]] = {}

    def asks(self, proposal: _Proposal) -> tuple[list[Ask], str]:
        """The statements that test the index's first column, dearest first; and why there is none.

        Those of the runbook have values; of others the generic plan is asked for.
        """
        facts = self._facts
        by_shape: dict[str, list[Ask]] = {}
        for query in _queries_on(self._session, proposal.table):
            for one in self._of(query):
                by_shape.setdefault(postgast.fingerprint(one.sql).hex, []).append(one)
        if facts.statements is None:  # nobody knows which of them test it
            return [a for own in by_shape.values() for a in _some(own)], _UNASKED
        names = (proposal.first, "")
        ids = {p["id"] for p in facts.predicates if p["relation"] == proposal.relation and p["name"] in names}
        known = sorted((s for s in facts.statements if s["id"] in ids), key=lambda s: -s["ms"])
        asks: list[Ask] = []
        why = _UNASKED
        for statement in known[:_MOST_STATEMENTS]:
            name = f"query {statement['id']}"
            try:
                text = whole_text(self._session.database, statement)
                own = by_shape.get(postgast.fingerprint(text).hex)
                asks += _some(own) if own else [self._plain(name, text, statement)]
            except (NotRunnable, postgast.PgQueryError) as e:
                why = f"{name} can't be asked: {e}"
        return asks, why

    def _plain(self, name: str, text: str, statement: Mapping[str, Any]) -> Ask:
        return what_if.ask_of(self.database, name, text, relations=statement["relations"])

    def _of(self, query: Query) -> list[Ask]:
        """A query of the runbook with values sampled here, once."""
        if query.name not in self._sampled:
            timeout = self._session.runbook.about.limits.query_timeout_s
            self._sampled[query.name] = what_if.sampled_asks(self.database, [query], timeout)
        return self._sampled[query.name]


def _some(asks: Sequence[Ask]) -> Sequence[Ask]:
    """Common, rare and absent values of a statement: a few of all."""
    return asks[:: max(1, len(asks) // _PER_QUERY)][:_PER_QUERY]


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
    """A database where an index may really be built."""
    if where != "clone":
        with _elsewhere(session, where) as copy:
            yield copy
        return
    session.disconnect()  # a copy needs the database to itself
    path = session.runbook.about.search_path
    with clone.cloned(session.target, session.runbook.name, search_path=path) as copy:
        yield copy


@contextmanager
def _elsewhere(session: Session, where: str) -> Iterator[Database]:
    """A session on another target. Raises `WrongUsage` where that leads to the audited database itself."""
    path = session.runbook.about.search_path
    target = db.parse_target(where)
    with db.connect(
        target, database=session.runbook.name, application_name="pgrunbook what-if", search_path=path
    ) as copy:
        if _server_of(session.database) == _server_of(copy):
            raise errors.WrongUsage(
                f"what_if: {where} leads to the database that is audited, where nothing may be built",
                remedy='name a copy of it, or "clone" for the sandbox',
            )
        # the primary of an audited standby, or production by a name nobody knew: a copy has nobody at work on it
        others = copy.value(
            "select count(*) from pg_catalog.pg_stat_activity where datname = pg_catalog.current_database()"
            " and backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid()"
        )
        if others:
            raise errors.WrongUsage(
                f"what_if: {others} others are connected to {where}: a build would hold up their writes",
                remedy="name a copy that nobody uses, or close those sessions",
            )
        if copy.value("select pg_catalog.pg_is_in_recovery()"):
            raise errors.WrongUsage(
                f"what_if: {where} is a standby, where nothing can be built",
                remedy="name a copy that can be written to",
            )
        yield copy


def _server_of(database: Database) -> tuple[Any, ...]:
    """Which running server and database this is: a restored backup has its origin's identifier, not its start time."""
    return database.rows("select pg_catalog.pg_postmaster_start_time(), pg_catalog.current_database()")[0]
