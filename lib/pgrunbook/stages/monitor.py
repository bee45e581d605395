"""Monitor: one short look at the database, kept in the ledger, and what has changed since the run.

It runs nothing that the application would run, and writes to the ledger alone. A regression fails it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pgrunbook import errors
from pgrunbook.audit import NotSeen
from pgrunbook.db import Database
from pgrunbook.description import Claim
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.ledger import RUNS, WATCHING, Ledger
from pgrunbook.measure import claims as claiming
from pgrunbook.measure.claims import ClaimRow, Measured
from pgrunbook.measure.compare import compare as pair
from pgrunbook.measure.compare import summarise
from pgrunbook.measure.evaluations import Evaluation
from pgrunbook.measure.sampling import Sample
from pgrunbook.measure.workload import BindSet
from pgrunbook.monitor import compare, keep, metrics, shown
from pgrunbook.monitor import course as courses
from pgrunbook.monitor import look as looking
from pgrunbook.monitor.course import Course, Plan
from pgrunbook.monitor.metrics import Measurements, MetricRow
from pgrunbook.monitor.questions import question, shortened
from pgrunbook.monitor.shown import Watched
from pgrunbook.stages import _measuring
from pgrunbook.stages._base import Parameters, Session, StageResult, part, run_folder
from pgrunbook.stages.baseline import Fact

_ANSWERED = {"query_ms_after", "speedup", "faster_percent", "index_mb", "database_growth_percent"}
_KINDS = {
    "slower": ("statements", "none got slower"),
    "plan": ("plans", "none reads a whole table where an index led"),
    "index": ("indexes of the run", "all there and valid"),
    "unused": ("new indexes", "all are read"),
    "growth": ("tables", "none grew beyond its earlier rate"),
    "cache": ("cache hits", "as before"),
    "errors": ("rollbacks, deadlocks, conflicts", "as before"),
}


class MonitorParameters(Parameters):
    """`of_run` is the run that is watched; empty: this one, or the newest that the ledger has as applied."""

    of_run: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What this look saw, or could not see and what would mend that."""

    what: str
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@part
def surroundings(session: Session) -> list[Fact]:
    """Which run is watched, on which database, how often, and for how long snapshots stay."""
    who, about = session.identity, session.runbook.about.monitor
    run_id = watched_run(session)
    command = f"pgrunbook monitor {session.runbook.name} --target {session.target.name}"
    return [
        Fact("runbook", f"{session.runbook.name}: {session.runbook.about.title}"),
        Fact("run watched", run_id or "none: no run of this runbook is applied here"),
        Fact("target", f"{session.target.name}, database {who.database}, system {who.system_identifier}"),
        Fact("server", f"PostgreSQL {who.version // 10000}.{who.version % 10000}"),
        Fact("role", who.role + (" (superuser)" if who.superuser else "")),
        Fact("from cron", f"{about.schedule} {command} --run-id {run_id}" if run_id else f"{about.schedule} {command}"),
        Fact(
            "snapshots stay",
            f"all for {about.raw_days:g} days, one an hour for {about.hourly_days:g}, one a day for "
            f"{about.retention_days:g}; the first day by the hour",
        ),
        Fact("fails it", ", ".join(about.gates) or "nothing"),
    ]


def watched_run(session: Session) -> str:
    """The run that is watched: the one that is named, this one, or the newest that the ledger has as applied.

    Raises `WrongUsage` for a named one that nobody knows.
    """
    named = getattr(session.parameters, "of_run", "")
    ledger = session.ledger
    readable = ledger.exists() and ledger.usable(RUNS, writing=False)
    applied = [r.run_id for r in ledger.runs(session.runbook.name) if r.status == "applied"] if readable else []
    known = {r.run_id for r in ledger.runs(session.runbook.name)} if readable else set()
    if named and named not in known and not _folder(session, named).is_dir():
        raise errors.WrongUsage(
            f"no run {named} of {session.runbook.name}, in the ledger or in {session.parameters.evidence_dir}/",
            remedy=f"pgrunbook status {session.runbook.name} --target {session.target.name}",
        )
    if named or session.run_id in applied:
        return named or session.run_id
    return applied[0] if applied else ""


def _folder(session: Session, run_id: str) -> Path:
    return run_folder(session.root, session.parameters, run_id)


@part
def snapshot(session: Session) -> list[Seen]:
    """Look once, and keep what was seen in the ledger; where another look is under way that one will do."""
    with session.connect("ledger") as writing:
        found = take(session, session.database, writing)
    session.event("not_seen_by_monitor", what=[asdict(s) for s in found if s.what.startswith("not seen")])
    return found


def take(session: Session, reading: Database, writing: Database, now: datetime | None = None) -> list[Seen]:
    """Take a snapshot; `now` stands for the server's clock."""
    about, run_id = session.runbook, watched_run(session)
    ledger = Ledger(writing, about.about.ledger.name)
    keep.prepare(writing, ledger)
    if not keep.may_look(writing, about.name):
        session.record([Check("snapshot", run_id, Verdict.PASSED, measured="none: another one is under way")])
        return [Seen("snapshot", "another one is under way: it will do for both")]
    binds, lacking = _binds(session, run_id)
    watching = looking.Watching(
        identity=session.identity,
        schemas=about.schemas,
        ledger=ledger.schema,
        workload=about.workload,
        binds=binds,
        indexes=_expected(session, run_id),
        tables=sorted({c.relation for c in about.changes if c.relation}),
        texts=keep.texts(writing, ledger.schema),
    )
    seen = looking.look(reading, watching)
    seen = replace(seen, not_seen=(*seen.not_seen, *lacking))
    kept = keep.keep(writing, ledger, about.name, run_id, seen, about.about.monitor, now)
    keep.looked(writing, about.name)
    session.event("snapshot", number=kept.id, at=kept.at.isoformat(), seconds=round(seen.seconds, 3))
    told = f"number {kept.id} of {kept.at:%Y-%m-%d %H:%M} UTC, in {seen.seconds:.2f} s"
    session.record([Check("snapshot", run_id, Verdict.PASSED, measured=told)])
    return [
        Seen("snapshot", told + (f"; {kept.thinned} older ones thinned out" if kept.thinned else "")),
        Seen("statements", f"{len(seen.statements.seen)}, those of the workload and the heaviest of the others"),
        Seen("plans", f"{len(seen.plans)}, asked and not run"),
        Seen("tables and indexes", f"{len(seen.tables)} and {len(seen.indexes)}"),
        Seen("connections", f"{seen.state.connections} of {seen.state.connections_allowed}"),
        Seen("locks waited for", f"{seen.state.waiting}"),
        *([] if seen.state.longest_s is None else [Seen("longest transaction", f"{seen.state.longest_s:,.0f} s")]),
        *(Seen(f"not seen: {n.what}", n.why, n.remedy) for n in seen.not_seen),
    ]


def _binds(session: Session, run_id: str) -> tuple[Mapping[str, Sequence[BindSet]], list[NotSeen]]:
    """The bind values that the run's baseline sampled, by query; without them plans are asked for any value."""
    path = _folder(session, run_id) / "private" / _measuring.BINDS if run_id else None
    if path is None or not path.is_file():
        return {}, [NotSeen("the run's bind values", "they are not here, so that plans are asked for any value")]
    kept = json.loads(path.read_text(encoding="utf-8"))["binds"]
    found = {}
    for query in session.runbook.workload:
        own = [BindSet(b["label"], b["values"]) for b in kept.get(query.replaces or query.name, ())]
        if own and all(p in b.values for b in own for p in query.sampled):
            found[query.name] = own
    return found, []


def _expected(session: Session, run_id: str) -> list[str]:
    """The indexes that the run made or found there, as the ledger has them."""
    ledger = session.ledger
    if not run_id or not ledger.exists() or not ledger.usable(RUNS, writing=False):
        return []
    made = ("applied", "already", "kept")
    return [s.object for s in ledger.steps(run_id) if s.kind == "create_index" and s.status in made]


@part
def course(session: Session) -> Watched:
    """Read the run's snapshots and find what changed."""
    found = watch(session)
    session.event("course", run_id=found.run_id, snapshots=found.course.snapshots, read=len(found.course.points))
    return found


def watch(session: Session) -> Watched:
    """What the snapshots say of the run that is watched."""
    about, run_id, ledger = session.runbook.about, watched_run(session), session.ledger
    none = Course((), (), {}, 0, lambda _after, _until: ())
    readable = ledger.exists(WATCHING) and ledger.usable(WATCHING, writing=False)
    read = courses.load(session.database, ledger.schema, session.runbook.name, run_id) if readable else none
    before, after = (_samples(session, run_id, name) for name in (_measuring.BASELINE, _measuring.VERIFY))
    times = compare.times(read, [q.name for q in session.runbook.workload], about.monitor)
    plans = compare.plans(read, _verified(after))
    indexes = compare.indexes(read, _qualified(session, _expected(session, run_id)), about.monitor)
    tables = compare.tables(read, about.monitor)
    health = compare.health(read, about.monitor)
    findings = [
        *compare.slower(times, plans),
        *compare.flipped(plans),
        *compare.unknown(read),
        *compare.lost(indexes),
        *compare.grown(tables),
        *compare.ailing(health),
    ]
    return Watched(run_id, read, times, plans, indexes, tables, health, findings, before, after)


def _qualified(session: Session, names: Sequence[str]) -> list[str]:
    """Names as the catalog has them; those of what is gone as the ledger has them."""
    return [found.name for found in session.database.fetch("monitor_qualified", _Name, names=list(names))]


def _samples(session: Session, run_id: str, name: str) -> list[Sample]:
    """What a stage of the run measured; nothing where its folder is not here."""
    return [Sample.from_json(row) for row in _read(session, run_id, name)]


def _read(session: Session, run_id: str, name: str) -> list[dict[str, Any]]:
    path = _folder(session, run_id) / name
    return list(json.loads(path.read_text(encoding="utf-8"))) if run_id and path.is_file() else []


def _verified(samples: Sequence[Sample]) -> dict[str, Plan]:
    """The plans that verify measured."""
    return {
        question(s.query, s.binds): Plan(shortened(s.plan), sum(float(p.get("Total Cost", 0)) for p in s.plans))
        for s in samples
        if s.plans
    }


@part
def findings(session: Session, found: Watched) -> list[shown.FindingRow] | str:
    """What is amiss now, and since which snapshot; a check each, and one for each kind of which nothing is amiss."""
    gates = session.runbook.about.monitor.gates
    session.record(
        Check(
            f.kind if f.kind != "note" else "plan",
            f.object,
            Verdict.FAILED,
            claimed="as before",
            measured=f"{f.what}, since snapshot {f.snapshot} of {f.since:%Y-%m-%d %H:%M} UTC",
            gates=f.kind in gates,
            detail=f.detail,
        )
        for f in found.findings
    )
    amiss = {f.kind for f in found.findings}
    numbers = {
        "slower": len(found.times), "plan": len(found.plans), "growth": len(found.tables),
        "index": sum(i.expected for i in found.indexes), "unused": sum(i.reads is not None for i in found.indexes),
        "cache": 1, "errors": 1,
    }  # fmt: skip
    if found.course.snapshots < 2:  # nothing to hold it against but what verify saw
        numbers |= {"growth": 0} if found.after else {"growth": 0, "plan": 0}
    judged = {"cache": _judged(found, "cache"), "errors": _judged(found, "errors")}
    for kind, (subject, good) in _KINDS.items():
        if kind in amiss:
            continue
        number = f"{numbers[kind]} " if kind not in judged else ""
        known = numbers[kind] and judged.get(kind, True)
        session.record(
            [
                passed(kind, f"{number}{subject}", True, claimed=good, measured=good, gates=kind in gates)
                if known
                else Check(kind, subject, Verdict.NOT_MEASURABLE, good, "not known yet", gates=False)
            ]
        )
    rows = [
        shown.FindingRow(f.kind, f.object, f.what, shown.minute(f.since), f.snapshot, f.kind in gates, f.detail)
        for f in found.findings
    ]
    return rows or "nothing is amiss"


def _judged(found: Watched, kind: str) -> bool:
    return any(h.judged is not None for h in found.health if h.kind == kind)


@part
def claims(session: Session, found: Watched) -> list[ClaimRow] | str:
    """The document's numbers that a snapshot can answer, once more. They fail nothing here: verify has judged them."""
    asked = [c for c in session.runbook.about.claims if c.metric in _ANSWERED and c.after == "verify"]
    if not asked or not found.course.last:
        return "no claim of this runbook can be answered by a snapshot"
    held = claiming.hold(asked, _measured(session, found), "verify")
    return claiming.rows(session.record(_again(check, claim) for check, claim in zip(held, asked, strict=True)))


def _again(check: Check, claim: Claim) -> Check:
    """A claim's check as it stands here: nothing fails by it, and a time is not verify's median."""
    if not claim.query or check.verdict is Verdict.NOT_MEASURABLE:
        return replace(check, gates=False)
    bounds = check.detail.partition("; ")[0]
    return replace(check, gates=False, detail=f"{bounds}; {metrics.BY_STATEMENTS}")


def _measured(session: Session, found: Watched) -> Measured:
    """What claims are held against now: times as the server counts them, sizes as this look saw them."""
    last = found.course.points[-1]
    queries = {}
    for summary in summarise(pair(found.before, found.after)):
        now = metrics.now_ms(found.times, summary.query)
        if now is not None:
            factor = summary.before_ms / now if now else summary.factor
            queries[summary.query] = replace(
                summary, after_ms=now, factor=factor, slowest_factor=factor, fastest_factor=factor, censored_after=False
            )
    own = [last.indexes[i.name].bytes for i in found.indexes if i.expected and i.name in last.indexes]
    known = [b for b in own if b is not None]
    size = _folder(session, found.run_id) / "baseline_size.json"
    begun = json.loads(size.read_text(encoding="utf-8"))["bytes"] if found.run_id and size.is_file() else None
    return Measured(
        queries=queries,
        index_bytes=sum(known) if own and len(known) == len(own) else None,
        database_bytes_before=begun,
        database_bytes_after=last.database_bytes,
    )


@part
def key_metrics(session: Session, found: Watched) -> list[MetricRow]:
    """The document's table of key metrics, or the usual ones where the runbook names none."""
    counts = (_read(session, found.run_id, f"{stage}_evaluations.json") for stage in ("baseline", "verify"))
    before, after = ([Evaluation.from_json(row) for row in rows] for rows in counts)
    measured = Measurements(
        before=found.before,
        after=found.after,
        evaluations_before=before,
        evaluations_after=after,
        weights={q.name: q.weight for q in session.runbook.workload},
        times=found.times,
        health=found.health,
        plans_as_verified=bool(found.plans) and not any(p.turned for p in found.plans),
    )
    rows = metrics.rows(session.runbook.about.monitor.key_metrics, measured)
    session.record(
        Check("key metric", r.metric, metrics.holds(r.verdict), r.target, r.now, gates=False, detail=r.how)
        for r in rows
        if r.verdict
    )
    return rows


def run(session: Session) -> StageResult:
    """The whole stage."""
    surroundings(session)
    snapshot(session)
    found = course(session)
    findings(session, found)
    claims(session, found)
    key_metrics(session, found)
    return session.finish()
