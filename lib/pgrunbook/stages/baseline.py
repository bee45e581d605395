"""Baseline: what is there before the change. What it tries to write, to see who may, is always rolled back."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pgrunbook import fingerprint
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.measure.compare import shown_ms
from pgrunbook.measure.evaluations import Evaluation
from pgrunbook.measure.exposure import Exposed
from pgrunbook.measure.sampling import P99_NEEDS, Sample
from pgrunbook.stages import _application, _load, _measuring, _security
from pgrunbook.stages._application import ApplicationRow, Figure
from pgrunbook.stages._base import Parameters, Session, StageResult, part
from pgrunbook.stages._load import LoadRow
from pgrunbook.stages._measuring import DatabaseSize, TableSize
from pgrunbook.stages._security import Reach


class BaselineParameters(Parameters):
    """`production`: what an actor may write is tried (and rolled back) on a target that is not the sandbox."""

    production: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that an auditor wants to know of the surroundings."""

    what: str
    value: str


@dataclass(frozen=True, slots=True)
class IndexUse:
    """An index and how often it was read since the statistics began."""

    index: str
    table: str
    bytes: int
    scans: int
    valid: bool
    definition: str


@dataclass(frozen=True, slots=True)
class QueryTime:
    """A query with one bind set. Times in ms; `p99` only from 1,000 samples on."""

    query: str
    binds: str
    values: str
    rows: int
    buffers: int
    p50: str
    p95: float | None
    max: float | None
    samples: int
    plan: str
    p99: float | None = None


@part
def surroundings(session: Session) -> list[Fact]:
    """Server, database, role and the age of its statistics."""
    who = session.identity
    size = session.database.exactly("size", DatabaseSize)
    return [
        Fact("runbook", f"{session.runbook.name}: {session.runbook.about.title}"),
        Fact("source", session.runbook.about.source),
        Fact("run", session.run_id),
        Fact("target", f"{session.target.name}, database {who.database}, system {who.system_identifier}"),
        Fact("server", f"PostgreSQL {who.version // 10000}.{who.version % 10000}"),
        Fact("role", who.role + (" (superuser)" if who.superuser else "")),
        Fact("size", _measuring.megabytes(size.bytes)),
        Fact("statistics count since", size.since),
        Fact("database is", "quiet: counts and answers gate" if _measuring.quiet(session) else "live: they are told"),
    ]


@part
def visibility(session: Session) -> list[Reach] | str:
    """Who reaches which rows; tried before sizes and buffers are measured, for what it tries leaves dead rows."""
    return _security.reach_before(session)


@part
def exposure(session: Session) -> list[Exposed] | str:
    """Owners, row security, readers of what the plan makes, and the roles that no policy holds back."""
    return _security.exposed_before(session)


@part
def tables(session: Session) -> list[TableSize]:
    """Tables with sizes, rows and the age of their statistics."""
    session.write_json("baseline_size.json", asdict(session.database.exactly("size", DatabaseSize)))
    found = _measuring.tables(session)
    session.write_json("baseline_tables.json", [asdict(t) for t in found])
    session.write_json("baseline_contents.json", _measuring.contents(session, [t.table for t in found]))
    never = [t.table for t in found if t.never_analyzed]
    session.record(
        [
            passed(
                "statistics",
                "tables",
                not never,
                gates=False,
                claimed="every table with rows was analyzed",
                measured=", ".join(never) or "all were",
                detail="" if not never else f"estimates are guesses without: analyze {never[0]}",
            )
        ]
    )
    return found


@part
def indexes(session: Session) -> list[IndexUse]:
    """Existing indexes, their sizes and how often each was read."""
    found = session.database.fetch("indexes", IndexUse, schemas=session.runbook.schemas)
    session.write_json("baseline_indexes.json", [asdict(i) for i in found])
    return found


@part
def schema_fingerprint(session: Session) -> list[Fact]:
    """A hash per kind of object, against which a rollback is proven."""
    ledger = session.runbook.about.ledger.name
    kinds = fingerprint.take(session.database, ledger)
    session.write_json("fingerprint.json", kinds)
    session.write_json("fingerprint_objects.json", fingerprint.objects(session.database, ledger))
    return [Fact(kind, digest) for kind, digest in kinds.items()]


@part
def queries(session: Session) -> list[QueryTime]:
    """The workload, each query over its common, rare and absent bind values."""
    _measuring.sample_binds(session)
    samples = _measuring.measure(session)
    _measuring.keep(session, _measuring.BASELINE, samples)
    session.record(
        Check(
            "measured",
            f"{s.query}, {s.binds}",
            Verdict.FAILED if s.censored else Verdict.PASSED,
            claimed=f"within {session.runbook.about.limits.query_timeout_s:g} s",
            measured=shown_ms(s),
            gates=False,
            detail="over the time limit: a censored value, kept as such" if s.censored else "",
        )
        for s in samples
    )
    return [query_time(s) for s in samples]


@part
def evaluations(session: Session) -> list[Evaluation] | str:
    """How often the expressions of policies run for the queries that the runbook names."""
    return _security.count_evaluations(session, "before")


@part
def load(session: Session) -> list[LoadRow] | str:
    """The workload by many clients at once, where the runbook asks for it."""
    return _load.or_word(session, _load.BEFORE)


@part
def application(session: Session) -> list[ApplicationRow] | str:
    """The application's requests as it makes them before the change, where the runbook has a model of it."""
    return _application.or_word(session, "old")


def figures(session: Session) -> list[Figure] | str:
    """What else the model of the application told, and its connections."""
    return _application.figures(session)


def query_time(s: Sample) -> QueryTime:
    """A sample as a row for a person."""
    return QueryTime(
        query=s.query,
        binds=s.binds,
        values=s.shown,
        rows=s.rows,
        buffers=s.buffers,
        p50=shown_ms(s),
        p95=s.quantile(0.95),
        max=s.quantile(1),
        samples=s.n,
        plan=s.plan,
        p99=s.quantile(0.99) if s.n >= P99_NEEDS else None,
    )


def run(session: Session) -> StageResult:
    """The whole stage."""
    surroundings(session)
    visibility(session)
    exposure(session)
    tables(session)
    indexes(session)
    schema_fingerprint(session)
    queries(session)
    evaluations(session)
    load(session)
    application(session)
    return session.finish()
