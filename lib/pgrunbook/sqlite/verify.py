"""Verify on a SQLite file: definitions, answers, plans, times, room, and the document's claims."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pgrunbook.changes import State
from pgrunbook.description import Claim
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.measure import claims as claiming
from pgrunbook.measure.claims import ClaimRow, Measured
from pgrunbook.measure.compare import Comparison, compare, summarise
from pgrunbook.sqlite import catalog, changes, measure, shared
from pgrunbook.sqlite.session import SqliteSession
from pgrunbook.sqlite.text import folded
from pgrunbook.sqlite.words import UNMEASURED
from pgrunbook.stages import _measuring
from pgrunbook.stages.migrate import require_applied, require_same
from pgrunbook.stages.verify import Growth, answer_checks, rows_check


@dataclass(frozen=True, slots=True)
class Compared:
    """One query with one bind set before and after; the medians' factor, and the plan that it has now."""

    query: str
    binds: str
    before: str
    after: str
    factor: float
    buffers_before: None
    buffers_after: None
    plan_before: str
    plan_after: str
    same_answer: bool | None


@dataclass(frozen=True, slots=True)
class IndexReaders:
    """A new index, the workload's queries that read it, and an older index that serves for it as well."""

    index: str
    bytes: int | None
    read_by: str
    covered_by: str


def objects(session: SqliteSession) -> list[Check]:
    row = require_applied(session)
    made = session.plan()
    require_same(session, made, row.digest)
    return session.record(check for step in made.steps for check in changes.own(step.change).verify(session.file))


def queries(session: SqliteSession) -> list[Compared]:
    before = _measuring.kept(session, _measuring.BASELINE)
    after = shared.samples(session)
    _measuring.keep(session, _measuring.VERIFY, after)
    pairs = compare(before, after)
    session.record(answer_checks(session, pairs))
    session.record(_plan_check(p) for p in pairs)
    return [
        Compared(p.query, p.binds, p.before, p.after, p.factor, None, None, p.plan_before, p.plan_after, p.same_answer)
        for p in pairs
    ]


def _plan_check(pair: Comparison) -> Check:
    """Whether a query's plan is another one than before. It is told; what has to be better is for claims to say."""
    same = pair.plan_before == pair.plan_after
    return Check(
        "plan", f"{pair.query}, {pair.binds}", Verdict.PASSED, gates=False, claimed="told",
        measured="unchanged" if same else f"{pair.plan_before} → {pair.plan_after}",
    )  # fmt: skip


def rewrites(session: SqliteSession) -> str:
    session.write_json("verify_rewrites.json", [])
    if any(q.replaces for q in session.runbook.workload):
        return UNMEASURED["same_rows"]
    return "no query of this runbook replaces another"


def index_use(session: SqliteSession) -> list[IndexReaders]:
    samples = _measuring.kept(session, _measuring.VERIFY)
    with session.file.bounded(session.runbook.about.limits.query_timeout_s):
        sizes = catalog.sizes(session.file)
    every = catalog.indexes(session.file, session.schema)
    rows = []
    for step in [s for s in session.plan().steps if isinstance(s.change, changes.CreateIndex)]:
        own = next((i for i in every if folded(i.name) == folded(step.object)), None)
        readers = dict.fromkeys(f"{s.query} ({s.binds})" for s in samples if own and own.name in s.indexes)
        names = dict.fromkeys(s.query for s in samples if own and own.name in s.indexes)
        covering = ", ".join(i.name for i in every if own and i.name != own.name and i.covers(own))
        rows.append(IndexReaders(step.object, sizes.get(step.object), ", ".join(names) or "nobody", covering))
        session.record(
            [
                passed(
                    "index is read", step.object, bool(readers), gates=False, claimed="by a query of the workload",
                    measured=", ".join(readers) or "nobody reads it",
                    detail="" if readers else "it costs writes and room, and no measured query gains by it",
                ),
                passed(
                    "index is needed", step.object, not covering, gates=False, claimed="no other one serves for it",
                    measured=f"{covering} begins with its columns" if covering else "none does",
                    detail="it costs writes and room, and another index answers what it does" if covering else "",
                ),
            ]
        )  # fmt: skip
    return rows


def storage(session: SqliteSession) -> list[Growth]:
    before = {t["table"]: t for t in session.read_json("baseline_tables.json")}
    now = shared.tables(session)
    session.record([rows_check(session, shared.sized(now))])
    found = [
        _growth("database", int(session.read_json("baseline_size.json")["bytes"]), catalog.used_bytes(session.file))
    ]
    found += [
        _growth(f"indexes on {t.table}", int(before[t.table]["index_bytes"]), t.index_bytes)
        for t in now
        if t.table in before and t.index_bytes is not None and before[t.table]["index_bytes"] is not None
    ]
    session.write_json("verify_storage.json", [asdict(g) for g in found])
    return [g for g in found if g.before_bytes != g.after_bytes]


def _growth(what: str, before: int, after: int) -> Growth:
    return Growth(what, before, after, round(100 * (after / before - 1), 1) if before else None)


def checks(session: SqliteSession) -> list[Check]:
    return shared.examine(session, lambda a: not a.writes or a.name in claimed_probes(session), "checks")


def claimed_probes(session: SqliteSession) -> set[str]:
    claimed = [c for c in session.runbook.about.claims if c.metric == "probes" and c.after == "verify"]
    return {name for c in claimed for name in c.checks} if _measuring.may_write(session) else set()


def claims(session: SqliteSession) -> list[ClaimRow]:
    """Claims as for PostgreSQL; those that SQLite gives nothing to measure by say so."""
    measured, found = _measured(session), list[Check]()
    for claim in session.runbook.about.claims:
        reason = "" if claim.not_measurable or claim.after != "verify" else _reasons(session, claim)
        told = {"not_measurable": f"on SQLite: {reason}", "metric": None}
        found += claiming.hold([claim.model_copy(update=told) if reason else claim], measured, "verify")
    return claiming.rows(session.record(found))


def _reasons(session: SqliteSession, claim: Claim) -> str:
    """Why there is nothing to measure a claim by on SQLite; empty where there is."""
    if claim.metric == "buffers_fewer_percent":
        return f"{UNMEASURED[claim.metric]}; {_steps(session, claim.query)}"
    skipped = {c.check: c.detail for c in session.findings if c.verdict is Verdict.NOT_MEASURABLE}
    lacking = [f"{name}: {skipped[name]}" for name in claim.checks if name in skipped]
    return UNMEASURED.get(str(claim.metric), "; ".join(lacking))


def _steps(session: SqliteSession, query: str) -> str:
    """What a query costs SQLite's virtual machine, which repeats exactly as buffers do, and is not the same."""
    before, after = (
        measure.steps_of(_measuring.kept(session, name), query) for name in (_measuring.BASELINE, _measuring.VERIFY)
    )
    old, new = (sum(steps[b] for b in before.keys() & after.keys()) for steps in (before, after))
    change = f", {100 * (1 - new / old):.4g} % fewer" if old and new <= old else ""
    return f"its virtual machine's steps over all bind values: {old:,} → {new:,}{change}"


def _measured(session: SqliteSession) -> Measured:
    made = session.plan()
    before, after = (_measuring.kept(session, name) for name in (_measuring.BASELINE, _measuring.VERIFY))
    with session.file.bounded(session.runbook.about.limits.query_timeout_s):
        sizes = catalog.sizes(session.file)
    own = {c.name for c in session.runbook.checks if not c.writes}
    built = [s.object for s in made.steps if isinstance(s.change, changes.CreateIndex)]
    rows = next((c for c in session.findings if c.check == "rows"), None)
    known = rows is not None and rows.verdict is not Verdict.NOT_MEASURABLE
    ran = {c.check: c.verdict for c in session.findings if c.verdict is not Verdict.NOT_MEASURABLE}
    return Measured(
        queries={q.query: q for q in summarise(compare(before, after))},
        index_bytes=sum(sizes.get(n, 0) for n in built) if sizes else None,
        database_bytes_before=int(session.read_json("baseline_size.json")["bytes"]),
        database_bytes_after=catalog.used_bytes(session.file),
        changes_left=sum(1 for s in made.steps if s.seen.state not in (State.PRESENT, State.UNKNOWN)),
        rows_lost=int(rows.verdict is Verdict.FAILED) if known and rows else None,
        rows_detail=rows.measured if rows else "",
        probes={n: v for n, v in ran.items() if n in claimed_probes(session)},
        checks={n: v for n, v in ran.items() if n in own},
        drops=[s.object for s in made.steps if s.kind == changes.DropIndex.kind],
    )
