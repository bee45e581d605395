"""What baseline, verify and rollback share: bind values, samples and row counts of a run."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from pgrunbook import errors
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure import cpu, probe, sampling, workload
from pgrunbook.measure.sampling import Sample
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Assertion, Query
from pgrunbook.stages._base import Session

BINDS = "binds.json"
# undefined table, column, function, schema, object
_GONE = ("42P01", "42703", "42883", "3F000", "42704")
BASELINE, VERIFY, ROLLBACK = "baseline_samples.json", "verify_samples.json", "rollback_samples.json"


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table as it was found. `rows` is exact on a quiet database, else None."""

    table: str
    estimated_rows: int
    table_bytes: int
    index_bytes: int
    analyzed: str
    changed_since: int
    never_analyzed: bool
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class DatabaseSize:
    """The database's size in bytes, and since when its statistics count."""

    bytes: int
    since: str


def quiet(session: Session) -> bool:
    """Whether nobody else writes, so that counts and answers have to be equal: the sandbox, or `live = false`."""
    return session.is_rehearsal or not session.runbook.about.live


def tables(session: Session) -> list[TableSize]:
    """Sizes of the tables in the runbook's schemas, with exact row counts on a quiet database."""
    found = session.database.fetch("tables", TableSize, schemas=session.runbook.schemas)
    rows: list[TableSize] = []
    for number, table in enumerate(found, 1):
        count = None
        if quiet(session):
            session.tell(f"counting {table.table}, {number} of {len(found)}")
            count = _count(session, table.table)
        rows.append(replace(table, rows=count))
    return rows


def _count(session: Session, table: str) -> int | None:
    """The exact count, None where it takes longer than a query may."""
    timeout = f"{int(session.runbook.about.limits.query_timeout_s * 1000)}ms"
    try:
        with session.database.transaction(read_only=True, statement_timeout=timeout):
            return int(session.database.value(f"select count(*) from {table}"))  # noqa: S608  quoted by format('%I')
    except errors.StatementCancelled:
        return None


def contents(session: Session, tables: Iterable[str]) -> dict[str, str]:
    """A hash of each table's rows whatever their order, made in the server; without those that take too long.

    Only of a quiet database: on a live one others write meanwhile.
    """
    found: dict[str, str] = {}
    timeout = f"{int(session.runbook.about.limits.query_timeout_s * 1000)}ms"
    for table in _there(session, tables) if quiet(session) else ():
        session.tell(f"hashing the rows of {table}")
        query = f"select coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from {table} t"  # noqa: S608
        with (
            contextlib.suppress(errors.StatementCancelled),
            session.database.transaction(read_only=True, statement_timeout=timeout),
        ):
            found[table] = str(session.database.value(query))
    return found


def _there(session: Session, tables: Iterable[str]) -> list[str]:
    """Those of some tables that are there, and can be read."""
    query = (
        "select t from pg_catalog.unnest($1::text[]) with ordinality u(t, n)"
        " join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(t) where c.relispopulated order by n"
    )
    return [str(name) for (name,) in session.database.rows(query, [list(tables)])]


def sample_binds(session: Session) -> None:
    """Sample the workload's bind values and keep them, with the key of their tags, in the private folder."""
    now = datetime.now(UTC)
    timeout = session.runbook.about.limits.query_timeout_s
    found = {
        q.name: [asdict(b) for b in workload.sample_binds(session.database, q, now, timeout)]
        for q in session.runbook.workload
        if not q.replaces
    }
    session.write_json(BINDS, {"key": secrets.token_hex(16), "now": now.isoformat(), "binds": found}, private=True)


def measure(session: Session, *, timed: bool = True, rewrites: bool = False) -> list[Sample]:
    """Measure the whole workload with the run's own bind values; `rewrites` too where the application has them."""
    key = bytes.fromhex(session.read_json(BINDS, private=True)["key"])
    found: list[Sample] = []
    # elsewhere the server is on another machine, or behind a wall of this one
    clock = cpu.clock(session.database.backend_pid) if session.target.is_sandbox else None
    samples = session.runbook.about.limits.samples if timed else 0
    for query in [q for q in session.runbook.workload if rewrites or not q.replaces]:
        binds = kept_binds(session, query)
        shown = [b.shown(query.harmless, key) for b in binds]
        timeout = session.runbook.about.limits.query_timeout_s
        try:
            found += sampling.measure(
                session.database, query, binds, shown, timeout, session.tell, samples=samples, cpu=clock
            )
        except errors.StatementFailed as e:
            broken = _broken(session, query, e)
            is_baseline = timed and not rewrites  # which can't do without it, but where the migration is done already
            if e.sqlstate not in _GONE or (is_baseline and broken.gates):
                raise
            session.record([broken])
    return found


def _broken(session: Session, query: Query, error: errors.StatementFailed) -> Check:
    """The check of a query that names what is gone."""
    other = next((q.name for q in session.runbook.workload if q.replaces == query.name), "")
    return Check(
        "query runs",
        query.name,
        Verdict.NOT_MEASURABLE if other else Verdict.FAILED,
        claimed="as before",
        measured=error.message,
        gates=not other,
        detail=f"{other} takes its place"
        if other
        else "an application that asks it breaks by the migration; if it asks otherwise by then, write what it asks as "
        f'a query that says replaces = "{query.name}"',
    )


def kept_binds(session: Session, query: Query) -> list[BindSet]:
    """The bind values that the baseline sampled for a query, or for the one that it replaces.

    Raises `CheckFailed` where it did not know the query.
    """
    kept = session.read_json(BINDS, private=True)["binds"].get(query.replaces or query.name)
    if not kept or any(p not in b["values"] for b in kept for p in query.sampled):
        raise errors.CheckFailed(
            f"workload/{query.name}.sql is newer than the baseline of run {session.run_id}",
            remedy="begin a new run with 10_baseline",
        )
    return [BindSet(b["label"], b["values"]) for b in kept]


def keep(session: Session, name: str, samples: list[Sample]) -> None:
    """Write samples to the run's folder; they hold no bind value."""
    session.write_json(name, [asdict(s) for s in samples])


def kept(session: Session, name: str) -> list[Sample]:
    """The samples of an earlier stage."""
    return [Sample.from_json(row) for row in session.read_json(name)]


def may_write(session: Session) -> bool:
    """Whether what writes may be tried (and rolled back): on the sandbox, elsewhere where `production` says so."""
    return session.is_rehearsal or bool(getattr(session.parameters, "production", False))


def not_tried(session: Session) -> str:
    """Why nothing that writes, or loads the target, was run; empty where it may be."""
    return "" if may_write(session) else "on a system that is not the sandbox it runs with production = true"


def run_probe(session: Session, assertion: Assertion) -> Check:
    """Run one check or probe on the target. Rows are quoted on the sandbox only."""
    session.tell(f"check {assertion.name}")
    with session.connect("probe") as db:
        return probe.run(
            assertion,
            db,
            lambda: session.connect("rival"),
            session.runbook.about.limits.query_timeout_s,
            show_rows=session.is_rehearsal,
        )


def megabytes(count: int) -> str:
    """Bytes as a person reads them.

    >>> megabytes(3 * 2**20 // 2)
    '1.5 MB'
    """
    return f"{count / 2**20:,.1f} MB"


def index_names(session: Session) -> list[str]:
    """The qualified names of the indexes that the runbook makes."""
    return [s.object for s in session.plan().steps if s.change.is_index]


def index_bytes(session: Session, names: list[str]) -> int:
    """The size of some indexes together."""
    return int(
        session.database.value(
            "select coalesce(sum(pg_catalog.pg_relation_size(to_regclass(n))), 0) from unnest($1::text[]) n", [names]
        )
    )
