"""What if there were this index: the planner's answer before it is built.

With hypopg the server plans with an index that is not there. Without it the index is really built, on a copy that is
thrown away, in a transaction that is rolled back; then its size and the buffers are measured as well. Statistics given
to an empty table are no third way: the planner goes by the size of the file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pgrunbook import errors, sqlfile
from pgrunbook.audit.runnable import plannable
from pgrunbook.db import Database
from pgrunbook.measure import asking, workload
from pgrunbook.measure.sampling import access, nodes
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted

Method = Literal["hypopg", "built"]
_PREPARED = "pgrunbook_what_if"
_INDEX = "pgrunbook_what_if"
_NUMBER = re.compile(r"<\d+>")
_GENERIC_SINCE = 160000


@dataclass(frozen=True, slots=True)
class Ask:
    """One statement to plan: `sql` with `$1`, …; its `values`, or None for whatever they may be (a generic plan).

    `binds` names the values, `local` are the settings with which it is asked, as by a role.
    """

    query: str
    sql: str
    values: tuple[str | None, ...] | None = None
    binds: str = ""
    local: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The planner's answer for one statement without the index and with it. Buffers in blocks of 8 kB.

    None where it was not measured: hypopg builds nothing, and tells no size of an index of several columns.
    """

    index: str
    query: str
    binds: str
    method: Method
    plan_before: str = ""
    plan_after: str = ""
    cost_before: float | None = None
    cost_after: float | None = None
    buffers_before: int | None = None
    buffers_after: int | None = None
    ms_before: float | None = None
    ms_after: float | None = None
    used: bool = False
    bytes: int | None = None
    build_seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """One statement's EXPLAIN: plan, cost and indexes; buffers and time where it was run, `failed`: why it can't be."""

    plan: str = ""
    cost: float | None = None
    indexes: frozenset[str] = frozenset()
    buffers: int | None = None
    ms: float | None = None
    failed: str = ""


@dataclass(frozen=True, slots=True)
class _Extension:
    schema: str
    version: str


@dataclass(frozen=True, slots=True)
class _Built:
    names: list[str]
    bytes: int
    usable: bool
    expressions: bool


# -- what is asked -----------------------------------------------------------------------------------------------


def asks_of(query: Query, binds: Iterable[workload.BindSet]) -> list[Ask]:
    """A workload query over its bind sets, as its role; each of its statements by itself."""
    several = len(query.statements) > 1
    return [
        Ask(
            query=f"{query.name}, statement {number}" if several else query.name,
            sql=statement.sql,
            values=tuple(one.values[p] for p in statement.parameters),
            binds=one.label,
            local=asking.of_query(query, one.values),
            weight=query.weight,
        )
        for one in binds
        for number, statement in enumerate(query.statements, 1)
    ]


def ask_of(database: Database, query: str, text: str, *, relations: Iterable[int] = ()) -> Ask:
    """A statement as pg_stat_statements keeps it, for whatever values. Raises `NotRunnable` where it can't be planned.

    `relations` are the oids of its tables: its names may be those of another search_path.
    """
    return Ask(query, plannable(database, text, relations=relations))


def sampled_asks(database: Database, queries: Iterable[Query], timeout_s: float) -> list[Ask]:
    """Workload queries with values sampled now, common, rare and absent ones."""
    now = datetime.now(UTC)
    return [a for q in queries for a in asks_of(q, workload.sample_binds(database, q, now, timeout_s))]


# -- with hypopg -------------------------------------------------------------------------------------------------


def hypopg(database: Database) -> Literal["installed", "available", ""]:
    """Whether this server has hypopg: in this database, only beside it, or not at all."""
    found = database.one("hypopg", _Extension)
    return "" if found is None else "installed" if found.schema else "available"


def by_hypopg(
    database: Database, ddl: str, asks: Sequence[Ask], *, allow_create: bool = False, timeout_s: float = 30
) -> list[WhatIf]:
    """The planner's answer with a hypothetical index; nothing is run or built, and nothing stays.

    `allow_create`: where hypopg is not installed it is created in a transaction that is rolled back. Raises
    `WrongUsage` where it can't be had, `StatementFailed` where the index could not be made.
    """
    how = hypopg(database)
    if not how or (how == "available" and not allow_create):
        raise errors.WrongUsage(
            f"hypopg is not {'installed in this database' if how else 'on this server'}: nothing was asked",
            remedy="create extension hypopg" if how else "ask on a copy, where the index can be built",
        )
    text = _plain(ddl)
    names: dict[str, int | None] = {}
    with database.transaction(rollback=True):
        if how == "available":
            database.execute("create extension hypopg")
        schema = quoted(database.exactly("hypopg", _Extension).schema)
        before = planned(database, asks, timeout_s=timeout_s, run=False)
        try:
            with database.transaction():
                make = f"select indexrelid, indexname from {schema}.hypopg_create_index($1)"  # noqa: S608
                for oid, name in database.rows(make, [text]):
                    names[name] = database.value(f"select {schema}.hypopg_relation_size($1)", [oid])
            after = planned(database, asks, timeout_s=timeout_s, run=False)
        finally:  # it lives in the session's memory, which no rollback clears
            database.rows(f"select {schema}.hypopg_reset()")
    node: Any = sqlfile.split(text)[0].node
    size = sum(filter(None, names.values())) if len(node.index_params) == 1 else None
    rows = [_told(ddl, o, "hypopg", b, a, frozenset(names)) for o, b, a in zip(asks, before, after, strict=True)]
    # its name begins with a number of its own, `<13556>btree_t_kind`
    return [replace(row, bytes=size, plan_after=_NUMBER.sub("hypothetical ", row.plan_after)) for row in rows]


# -- by building -------------------------------------------------------------------------------------------------


def planned(database: Database, asks: Iterable[Ask], *, timeout_s: float = 30, run: bool = True) -> list[Planned]:
    """How statements are planned as things stand; what has values is run, where asked for."""
    return [_explained(database, one, timeout_s, run=run) for one in asks]


def by_building(
    clone: Database, ddl: str, asks: Sequence[Ask], *, timeout_s: float = 300, before: Sequence[Planned] | None = None
) -> list[WhatIf]:
    """The planner's answer with the index really built, in a transaction that is rolled back.

    `clone` has to be a database that may be thrown away: the build blocks every write to its table. What has values,
    and only reads, is run as well. A build over the time limit is told in each row's note; raises `StatementFailed`
    where the index can't be built. `before` is what `planned` said of the same, where it was asked already.
    """
    before = planned(clone, asks, timeout_s=timeout_s) if before is None else before
    text = _plain(ddl, _INDEX)
    notes: list[str] = []
    with clone.transaction(rollback=True, statement_timeout=f"{int(timeout_s * 1000)}ms", lock_timeout="2s"):
        started = time.monotonic()
        try:
            with clone.transaction():
                clone.execute(text)
        except errors.StatementCancelled:
            note = f"the build took longer than {timeout_s:g} s"
            told = (_told(ddl, o, "built", b, Planned(), frozenset()) for o, b in zip(asks, before, strict=True))
            return [replace(row, note=note) for row in told]
        seconds = time.monotonic() - started
        table = _table_of(text)
        built = clone.exactly("what_if_index", _Built, table=table, index=_INDEX)
        if built.expressions:
            clone.execute(f"analyze {table}")
            notes.append("with fresh statistics, which its expression needs")
        if not built.usable:
            notes.append("rows that changed lately keep this transaction from reading it")
        after = planned(clone, asks, timeout_s=timeout_s)
    names = frozenset(built.names)
    rows = [_told(ddl, o, "built", b, a, names) for o, b, a in zip(asks, before, after, strict=True)]
    return [
        replace(row, bytes=built.bytes, build_seconds=seconds, note="; ".join(filter(None, [row.note, *notes])))
        for row in rows
    ]


# -- planning ----------------------------------------------------------------------------------------------------


def _plain(ddl: str, name: str = "") -> str:
    """One CREATE INDEX as it can be built in a transaction, under a name of ours."""
    try:
        found = sqlfile.split(ddl)
    except sqlfile.SqlFileError as e:
        raise errors.WrongUsage(f"can't be read as CREATE INDEX: {e}", remedy="give one statement") from None
    if [s.node_kind for s in found] != ["index_stmt"]:
        raise errors.WrongUsage(f"is not one CREATE INDEX: {ddl[:80]}", remedy="give one statement")

    def edit(node: Any) -> None:
        node.concurrent, node.if_not_exists, node.idxname = False, False, name

    return sqlfile.rewritten(found[0].sql, edit)


def _table_of(ddl: str) -> str:
    node: Any = sqlfile.split(ddl)[0].node
    return quoted(node.relation.schemaname, node.relation.relname)


def _explained(database: Database, one: Ask, timeout_s: float, *, run: bool) -> Planned:
    """Explain one statement; with values it is run, where asked for. What it fails with is told."""
    local = {"statement_timeout": f"{int(timeout_s * 1000)}ms", **one.local}
    try:
        if one.values is None:
            with database.transaction(rollback=True, **local):  # type: ignore[arg-type]
                return _read(_generic(database, one.sql))
        with database.transaction(rollback=True, read_only=run, **local):
            if not run:
                return _read(database.value(f"explain (format json) {one.sql}", one.values)[0])
            database.drain(one.sql, one.values)  # warm, and its hint bits are set
            analyze = f"explain (analyze, buffers, timing off, format json) {one.sql}"
            return _read(database.value(analyze, one.values)[0])
    except errors.StatementFailed as e:
        return Planned(failed=f"{one.query}: {e.message}")


def _generic(database: Database, sql: str) -> dict[str, Any]:
    """The plan for whatever values there may be."""
    if database.version >= _GENERIC_SINCE:
        return dict(database.value(f"explain (generic_plan, format json) {sql}")[0])
    database.rows("select pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)")
    database.execute(f"prepare {_PREPARED} as {sql}")
    try:
        several = database.value(
            "select pg_catalog.cardinality(parameter_types) from pg_catalog.pg_prepared_statements where name = $1",
            [_PREPARED],
        )
        values = f"({', '.join(['null'] * several)})" if several else ""
        with database.transaction():  # so that what follows can be run after a failure as well
            return dict(database.value(f"explain (format json) execute {_PREPARED}{values}")[0])
    finally:
        database.execute(f"deallocate {_PREPARED}")


def _read(explained: dict[str, Any]) -> Planned:
    plan = explained["Plan"]
    ran = "Execution Time" in explained
    return Planned(
        plan=", ".join(access(plan)),
        cost=plan["Total Cost"],
        indexes=frozenset(n["Index Name"] for n in nodes(plan) if "Index Name" in n),
        buffers=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] if ran else None,
        ms=explained["Execution Time"] if ran else None,
    )


def _told(ddl: str, one: Ask, method: Method, before: Planned, after: Planned, names: frozenset[str]) -> WhatIf:
    return WhatIf(
        index=ddl,
        query=one.query,
        binds=one.binds,
        method=method,
        plan_before=before.plan,
        plan_after=after.plan,
        cost_before=before.cost,
        cost_after=after.cost,
        buffers_before=before.buffers,
        buffers_after=after.buffers,
        ms_before=before.ms,
        ms_after=after.ms,
        used=bool(names & after.indexes),
        note=before.failed or after.failed,
    )
