"""Baseline on a SQLite file: what is there before the change. It only reads."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.measure.compare import shown_ms
from pgrunbook.sqlite import catalog, measure, shared
from pgrunbook.sqlite.session import SqliteSession
from pgrunbook.sqlite.shared import Table
from pgrunbook.stages import _measuring
from pgrunbook.stages._measuring import megabytes
from pgrunbook.stages.baseline import Fact

_NO_BUFFERS = "not told by SQLite: times and plans are compared"


@dataclass(frozen=True, slots=True)
class IndexSize:
    """An index as it was found. SQLite counts no scans."""

    index: str
    table: str
    bytes: int | None
    scans: int | None
    valid: bool
    definition: str


@dataclass(frozen=True, slots=True)
class QueryTime:
    """A query with one bind set. Times in ms."""

    query: str
    binds: str
    values: str
    rows: int
    buffers: None
    p50: str
    p95: float | None
    max: float | None
    samples: int
    plan: str


def surroundings(session: SqliteSession) -> list[Fact]:
    file, about = session.file, session.runbook.about
    quiet = _measuring.quiet(session)
    return [
        Fact("runbook", f"{session.runbook.name}: {about.title}"),
        Fact("source", about.source),
        Fact("run", session.run_id),
        Fact("target", f"file {session.identity.database}, database {session.identity.system_identifier}"),
        Fact("server", f"SQLite {file.shown_version}, in this process"),
        Fact("journal", f"{file.value('pragma journal_mode')}, pages of {file.value('pragma page_size')} bytes"),
        Fact("size", megabytes(catalog.used_bytes(file))),
        Fact("buffers", _NO_BUFFERS),
        Fact("database is", "quiet: counts and answers gate" if quiet else "live: they are told"),
    ]


def tables(session: SqliteSession) -> list[Table]:
    session.write_json("baseline_size.json", {"bytes": catalog.used_bytes(session.file), "since": ""})
    found = shared.tables(session)
    session.write_json("baseline_tables.json", [asdict(t) for t in found])
    session.write_json("baseline_contents.json", shared.contents(session, [t.table for t in found]))
    never = [t.table for t in found if t.analyzed == "never"]
    session.record(
        [
            passed(
                "statistics", "tables", not never, gates=False, claimed="ANALYZE was run",
                measured=", ".join(never) or "it was",
                detail="" if not never else "without it SQLite guesses which of several indexes to read",
            )
        ]
    )  # fmt: skip
    return found


def indexes(session: SqliteSession) -> list[IndexSize]:
    with session.file.bounded(session.runbook.about.limits.query_timeout_s):
        sizes = catalog.sizes(session.file)
    found = [
        IndexSize(i.name, i.table, sizes.get(i.name), None, True, str(i))
        for i in catalog.indexes(session.file, session.schema)
    ]
    session.write_json("baseline_indexes.json", [asdict(i) for i in found])
    return found


def schema_fingerprint(session: SqliteSession) -> list[Fact]:
    kinds = catalog.fingerprint(session.file, session.schema)
    session.write_json("fingerprint.json", kinds)
    session.write_json("fingerprint_objects.json", catalog.objects(session.file, session.schema))
    return [Fact(kind, digest) for kind, digest in kinds.items()]


def queries(session: SqliteSession) -> list[QueryTime]:
    asked = shared.questions(session)
    now = datetime.now(UTC)
    timeout = session.runbook.about.limits.query_timeout_s
    binds = {q.query.name: [asdict(b) for b in measure.sample_binds(session.file, q, now, timeout)] for q in asked}
    kept = {"key": secrets.token_hex(16), "now": now.isoformat(), "binds": binds}
    session.write_json(_measuring.BINDS, kept, private=True)
    samples = shared.samples(session)
    _measuring.keep(session, _measuring.BASELINE, samples)
    limit = session.runbook.about.limits.query_timeout_s
    session.record(
        Check(
            "measured", f"{s.query}, {s.binds}", Verdict.FAILED if s.censored else Verdict.PASSED, gates=False,
            claimed=f"within {limit:g} s", measured=shown_ms(s),
            detail="over the time limit: a censored value, kept as such" if s.censored else "",
        )
        for s in samples
    )  # fmt: skip
    return [
        QueryTime(s.query, s.binds, s.shown, s.rows, None, shown_ms(s), s.quantile(0.95), s.quantile(1), s.n, s.plan)
        for s in samples
    ]
