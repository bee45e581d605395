"""What the planner would do for the runbook's workload, asked and not run, and by which ids the server counts it.

A query is asked with the bind values that the run sampled, where they are there, else for any value (a generic plan).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import errors
from pgrunbook.audit import NotSeen
from pgrunbook.db import Database
from pgrunbook.measure import asking
from pgrunbook.measure.sampling import access, nodes
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import SqlStatement, quoted

ANY_VALUE = "any value"
_HIDDEN = (
    "select pg_catalog.string_agg(pg_catalog.quote_ident(n.nspname), ', ' order by n.nspname)"
    " from pg_catalog.pg_namespace n where pg_catalog.quote_ident(n.nspname) = any (pg_catalog.regexp_split_to_array("
    "pg_catalog.current_setting('search_path'), '\\s*,\\s*'))"
    " and not pg_catalog.has_schema_privilege($1::name, n.oid, 'usage')"
)
_EXPLAIN = "explain (verbose, format json) "
_PARAM = postgast.pg_query_pb2.Token.PARAM
_BUDGET_S = 1.2
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Planned:
    """How the planner would answer a query for one bind set: its scans, as a sample has them, and their cost."""

    query: str
    binds: str
    plan: str
    cost: float

    @property
    def question(self) -> str:
        return question(self.query, self.binds)


@dataclass(frozen=True, slots=True)
class Asked:
    """The planner's answers, the tables they read, and the statements of the workload by the ids the server has."""

    plans: tuple[Planned, ...]
    tables: frozenset[str]
    ids: Mapping[str, str]
    not_seen: tuple[NotSeen, ...]


def question(query: str, binds: str) -> str:
    """The name under which the plans of a query with one bind set are kept.

    >>> question("calls", "common 1")
    'calls, common 1'
    """
    return f"{query}, {binds}"


def ask(db: Database, workload: Sequence[Query], binds: Mapping[str, Sequence[BindSet]]) -> Asked:
    """Ask for the plans of a workload, within a transaction of the caller's; nothing is run.

    `binds` are the sampled values by query; a query without any is asked for any value.
    """
    plans: list[Planned] = []
    tables: set[str] = set()
    ids: dict[str, str] = {}
    not_seen: list[NotSeen] = []
    end = time.monotonic() + _BUDGET_S
    for query in workload:
        found = _Told()
        try:
            for one in binds.get(query.name) or (None,):
                if time.monotonic() > end:
                    not_seen.append(NotSeen(f"plans of {query.name}", f"there was no time left of {_BUDGET_S:g} s"))
                    break
                found.add(query, one, _plans(db, query, one))
            ids |= _ids(db, query, found)
        except errors.StatementFailed as e:
            not_seen.append(_unasked(db, query, e))
        plans += found.plans
        tables |= found.tables
    db.execute("deallocate all")
    return Asked(tuple(plans), frozenset(tables), ids, tuple(not_seen))


class _Told:
    """What is known of one query so far."""

    def __init__(self) -> None:
        self.plans: list[Planned] = []
        self.tables: set[str] = set()
        self.answers: list[dict[str, Any]] = []

    def add(self, query: Query, binds: BindSet | None, answers: list[dict[str, Any]]) -> None:
        trees = [answer["Plan"] for answer in answers]
        scans = ", ".join(dict.fromkeys(scan for tree in trees for scan in access(tree)))
        cost = sum(float(tree["Total Cost"]) for tree in trees)
        self.plans.append(Planned(query.name, binds.label if binds else ANY_VALUE, shortened(scans), cost))
        self.tables |= {
            quoted(node["Schema"], node["Relation Name"])
            for tree in trees
            for node in nodes(tree)
            if "Relation Name" in node and "Schema" in node
        }
        self.answers = answers


def _plans(db: Database, query: Query, binds: BindSet | None) -> list[dict[str, Any]]:
    """The planner's answer to each statement of a query; all that is set for it is set back."""
    values: Mapping[str, str | None] = binds.values if binds else dict.fromkeys(query.sampled)
    found = []
    with db.transaction(rollback=True, **asking.of_query(query, values)):  # type: ignore[arg-type]
        for statement in query.statements:
            if binds or not statement.parameters:
                given = [values[p] for p in statement.parameters]
                found.append(_explained(db, statement.sql, given))
            else:
                found.append(_generic(db, quoted(f"pgrunbook {query.name} {statement.position}"), statement))
    return found


def _generic(db: Database, name: str, statement: SqlStatement) -> dict[str, Any]:
    """The plan for any value: GENERIC_PLAN, in a form that the versions before 16 know too."""
    nothing = ", ".join(["null"] * len(statement.parameters))
    db.rows("select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)")
    db.execute(f"prepare {name} as {statement.sql}")
    return _explained(db, f"execute {name}({nothing})")


def _explained(db: Database, sql: str, values: Sequence[Any] = ()) -> dict[str, Any]:
    return dict(db.value(_EXPLAIN + sql, values)[0])


def _ids(db: Database, query: Query, told: _Told) -> dict[str, str]:
    """The ids by which the server counts a query's statements: with bound values, and with constants in their place.

    The server tells none before PostgreSQL 14, or where it computes none.
    """
    found: dict[str, str] = {}
    for number, (statement, answer) in enumerate(zip(query.statements, told.answers, strict=False), 1):
        name = query.name if len(query.statements) == 1 else f"{query.name} {number}"
        answers = [answer, *(_with_constants(db, statement) if "Query Identifier" in answer else ())]
        found |= {str(a["Query Identifier"]): name for a in answers if "Query Identifier" in a}
    return found


def _with_constants(db: Database, statement: SqlStatement) -> Iterator[dict[str, Any]]:
    if not statement.parameters:
        return
    raw = statement.sql.encode()
    for token in reversed(postgast.scan(statement.sql).tokens):
        if token.token == _PARAM:
            raw = raw[: token.start] + b"null" + raw[token.end :]
    try:
        with db.transaction(rollback=True):
            yield _explained(db, raw.decode())
    except errors.StatementFailed:  # a null has no place everywhere; then nobody writes a constant there either
        return


def _unasked(db: Database, query: Query, error: errors.StatementFailed) -> NotSeen:
    """Why a query was not asked. To a role that may not use a schema of the search path its tables are not there."""
    what, role = f"plans of {query.name}", query.role or db.user
    hidden = db.value(_HIDDEN, [role]) if error.sqlstate != "42501" else ""
    if hidden:
        return NotSeen(
            what, f"{quoted(role)} may not use schema {hidden}", f"grant usage on schema {hidden} to {quoted(role)}"
        )
    if error.sqlstate != "42501":
        return NotSeen(what, error.message, error.remedy)
    member = f", and {quoted(role)} to {quoted(db.user)}" if query.role else ""
    return NotSeen(what, error.message, f"grant select on its tables to {quoted(role)}{member}")


def shortened(scans: str) -> str:
    """A plan over hundreds of partitions is cut: it is a key in the ledger."""
    return scans if len(scans) <= _LONGEST else f"{scans[:_LONGEST]}… ({len(scans)} characters)"
