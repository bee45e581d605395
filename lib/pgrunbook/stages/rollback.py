"""Rollback: undo what the run did and nothing else, then prove it. Works from the ledger alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pgrunbook import changes, errors, fingerprint
from pgrunbook.changes import Change
from pgrunbook.execute import HAD_NOT_BEEN_DONE, Done, Executor
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.ledger import RunRow
from pgrunbook.measure import claims as claiming
from pgrunbook.measure.claims import ClaimRow, Measured
from pgrunbook.measure.compare import QuerySummary, compare, summarise
from pgrunbook.plan import build_settings
from pgrunbook.stages import _measuring
from pgrunbook.stages._base import Parameters, Session, StageResult, part
from pgrunbook.stages.verify import answer_checks, moved_rows, rows_check

_DONE = "rollback.json"
_NOT_TOLD = "which objects can't be told without the run's folder"


class RollbackParameters(Parameters):
    """`scope`: "indexes" undoes indexes only (quick), "all" also what the runbook keeps; empty: all but that.

    `acknowledge_loss`: objects whose data may go, separated by commas. `production`: probes may run on a target
    that is not the sandbox.
    """

    scope: Literal["", "indexes", "all"] = ""
    acknowledge_loss: str = ""
    production: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """One kind of object: is its fingerprint that of before the run?"""

    kind: str
    verdict: Verdict
    detail: str


@part
def undo(session: Session) -> list[Done]:
    """Undo the run's own changes, the last one first."""
    row = _run_row(session)
    about, parameters = session.runbook.about, _parameters(session)
    settings = dict(build_settings(about.build, is_sandbox=session.target.is_sandbox))
    acknowledged = frozenset(n.strip() for n in parameters.acknowledge_loss.split(",") if n.strip())
    started, done = time.monotonic(), list[Done]()
    try:
        with Executor(
            session.runbook.name,
            row.run_id,
            session.connect,
            about.limits,
            settings,
            about.ledger.name,
            session,
            about.backfill,
        ) as executor:
            for one in executor.undo(parameters.scope, acknowledged):
                done.append(one)
    except (errors.StatementFailed, errors.LostConnection) as e:
        raise errors.RollbackFailed(_left(session, e), remedy=_mend(session)) from None
    except errors.RollbackFailed as e:
        raise errors.RollbackFailed(_left(session, e), remedy=e.remedy) from None
    seconds = time.monotonic() - started
    if any(d.outcome == "left" for d in done):
        session.remedy = _mend(session)
    limit = about.limits.rollback_s
    session.record(
        [
            *(
                passed("undo", d.object, d.outcome != "left", claimed="undone", measured=d.outcome, detail=d.detail)
                for d in done
            ),
            passed(
                "time of the rollback", session.runbook.name, seconds <= limit,
                claimed=f"within {limit:g} s", gates=False, measured=f"{seconds:.1f} s",
            ),
        ]
    )  # fmt: skip
    session.write_json(_DONE, {"seconds": seconds, "done": [asdict(d) for d in done]})
    return done


@part
def proof(session: Session) -> list[Proof]:
    """The schema's fingerprint against that of before the run, and what differs with its reason."""
    row = _run_row(session)
    exceptions = _exceptions(session)
    excluded = [ident for idents in exceptions.values() for ident in idents]
    found = fingerprint.take(session.database, session.ledger.schema, excluded)
    rows = []
    steps = session.ledger.steps(row.run_id)
    leftovers = {f"invalid index {s.object}: gone": s.captured["leftover"] for s in steps if s.captured.get("leftover")}
    unknown = _unknown_left(session)
    for kind in sorted({*found, *row.fingerprint}):
        same = found.get(kind) == row.fingerprint.get(kind)
        detail, gates = "", True
        others = [] if same else _differing(session, kind, excluded)
        if kind == "invalid index" and leftovers and set(others) <= {*leftovers, _NOT_TOLD} and not same:
            same, detail = True, "exception: an invalid leftover was not restored: " + "; ".join(leftovers.values())
        elif others and set(others) <= {f"{ident}: gone" for ident in excluded}:  # there before as well, and changed
            same, detail = True, "exception: stays changed: " + ", ".join(o.removesuffix(": gone") for o in others)
        elif not same:
            detail = "; ".join(others[:5]) or "differs"
            gates = not (session.runbook.about.live or unknown)
            detail += "; a statement that is not undone may have left it" if unknown else ""
            detail += "; others may have changed it since" if session.runbook.about.live else ""
        session.record(
            [passed("fingerprint", kind, same, claimed="as before the run", measured="equal" if same else "differs",
                    gates=gates, detail=detail)]
        )  # fmt: skip
        rows.append(Proof(kind, Verdict.PASSED if same else Verdict.FAILED, detail))
    for reason in exceptions:
        rows.append(Proof("exception", Verdict.PASSED, reason))
    return rows


@part
def answers(session: Session) -> list[Check]:
    """The workload answers as before the run, and no row is gone."""
    try:
        before = _measuring.kept(session, _measuring.BASELINE)
        contents = session.read_json("baseline_contents.json")
        after = _measuring.measure(session, timed=False)
    except errors.MissingForerunner as e:
        return session.record([Check("answer", "workload", Verdict.NOT_MEASURABLE, gates=False, detail=e.message)])
    _measuring.keep(session, _measuring.ROLLBACK, after)
    pairs = compare(before, after)
    rows = rows_check(
        session, _measuring.tables(session), moved_rows(session), _lost_rows(session), gates=not _unknown_left(session)
    )
    return session.record([*answer_checks(session, pairs), rows, _content_check(session, contents)])


def _unknown_left(session: Session) -> bool:
    """Whether a statement of unknown effect was not undone: what it left can't be told from other people's work."""
    steps = session.ledger.steps(session.run_id)
    return any(s.kind == changes.RawSql.kind and s.status != "undone" for s in steps)


def _lost_rows(session: Session) -> dict[str, str]:
    """The tables of which no undo brings the rows back as they were, with the reason."""
    return {table: reason for change in _done(session) for table, reason in change.rows_not_brought_back.items()}


def _done(session: Session) -> list[Change]:
    """The run's own changes, as the ledger remembers them."""
    return [
        changes.again(r.kind, r.resolved_sql, r.options, r.position).remembering(r.captured)
        for r in session.ledger.steps(session.run_id)
        if r.owned and not (r.status == "undone" and r.detail == HAD_NOT_BEEN_DONE)
    ]


def _content_check(session: Session, before: Mapping[str, str]) -> Check:
    """Whether the rows are those of the baseline, in whatever order; what stays on purpose is no difference."""
    after = _measuring.contents(session, before)
    changed = [table for table in before if table in after and before[table] != after[table]]
    kept = {r.relation: f"{r.object} was kept" for r in session.ledger.steps(session.run_id) if r.kept or r.open}
    kept |= _lost_rows(session)
    wrong = [table for table in changed if table not in kept]
    if not after:
        detail = "a live database's rows are not compared" if not before else "it took longer than a query may"
        return Check("content", "all tables", Verdict.NOT_MEASURABLE, gates=False, detail=detail)
    return passed(
        "content",
        f"{len(after)} tables",
        not wrong,
        claimed="every row as before, in whatever order",
        measured=f"differs: {', '.join(wrong)}" if wrong else "as before",
        gates=not _unknown_left(session),
        detail="; ".join(f"{table}: {kept[table]}" for table in changed if table in kept),
    )


@part
def probes(session: Session) -> list[Check]:
    """The probes again, but those of what the change alone brings: what the application does still works."""
    allowed = _measuring.may_write(session)
    wanted = [p for p in session.runbook.probes if p.after_rollback]
    if not wanted or not allowed:
        detail = "they write (and roll back); on a real system they run with production = true"
        if allowed:
            detail = "none of them holds without the change" if session.runbook.probes else "the runbook has none"
        return session.record(
            [Check("probes", session.runbook.name, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]
        )
    return session.record(_measuring.run_probe(session, p) for p in wanted)


@part
def claims(session: Session) -> list[ClaimRow]:
    """The promises about the way back: claimed, measured, verdict."""
    probed = {p.name for p in session.runbook.probes}
    rows = next((c for c in session.findings if c.check == "rows"), None)
    counted = rows is not None and rows.verdict is not Verdict.NOT_MEASURABLE
    measured = Measured(
        queries=_queries(session),
        rows_lost=int(rows.verdict is Verdict.FAILED) if counted and rows else None,
        rows_detail=rows.measured if rows else "",
        probes={c.check: c.verdict for c in session.findings if c.check in probed} or None,
        rollback_seconds=float(session.read_json(_DONE)["seconds"]),
        not_tried=_measuring.not_tried(session),
    )
    mine = [c for c in session.runbook.about.claims if c.after == "rollback"]
    return claiming.rows(session.record(claiming.hold(mine, measured, "rollback")))


def _queries(session: Session) -> dict[str, QuerySummary]:
    try:
        before, after = (_measuring.kept(session, n) for n in (_measuring.BASELINE, _measuring.ROLLBACK))
    except errors.MissingForerunner:
        return {}
    return {q.query: q for q in summarise(compare(before, after))}


def restart_note(session: Session) -> str:
    """Whether the application has to be restarted, in the runbook's words."""
    return session.runbook.about.restart_note or "the runbook does not say whether the application needs a restart"


def _parameters(session: Session) -> RollbackParameters:
    if isinstance(session.parameters, RollbackParameters):
        return session.parameters
    return RollbackParameters(**session.parameters.model_dump())


def _run_row(session: Session) -> RunRow:
    row = session.ledger.run(session.run_id)
    if row is None:
        raise errors.WrongUsage(
            f"the ledger of {session.target.name} knows no run {session.run_id}",
            remedy=f"pgrunbook status {session.runbook.name} --target {session.target.name}",
        )
    if (row.system_identifier, row.database_name) != session.identity.key:
        raise errors.BadTarget(
            f"run {session.run_id} was carried out on database {row.database_name!r}, of which this one is a copy",
            remedy="name that run's target",
        )
    if row.runbook != session.runbook.name:
        raise errors.WrongUsage(f"run {session.run_id} is of runbook {row.runbook}", remedy="name that runbook")
    return row


def _exceptions(session: Session) -> dict[str, tuple[str, ...]]:
    """What stays on purpose, or is somebody else's, by reason, with what it adds to the fingerprint."""
    found: dict[str, tuple[str, ...]] = {}
    reasons = {d["object"]: d["detail"] for d in session.read_json(_DONE)["done"] if d["outcome"] == "kept"}
    for row in session.ledger.steps(session.run_id):
        others = row.status == "already" and bool(row.detail)
        reason = row.detail if row.kept or others else reasons.get(row.object)
        if reason:
            change = changes.again(row.kind, row.resolved_sql, row.options, row.position)
            found[f"{row.object}: {reason}"] = change.idents
    for change in _done(session):
        if idents := _named(session, change.idents_not_brought_back):
            found[f"{change.object}: {change.irreversible}"] = idents
    return found


def _named(session: Session, patterns: Sequence[str]) -> tuple[str, ...]:
    """What the schema's fingerprint has by some names, of which those that end in `*` stand for several."""
    if not patterns:
        return ()
    now = fingerprint.objects(session.database, session.ledger.schema)
    return tuple(i for i in now if any(i == p or (p.endswith("*") and i.startswith(p[:-1])) for p in patterns))


def _differing(session: Session, kind: str, excluded: list[str]) -> list[str]:
    """Which objects of a kind differ, where the run's folder still knows."""
    try:
        before = session.read_json("fingerprint_objects.json")
    except errors.MissingForerunner:
        return [_NOT_TOLD]
    now = fingerprint.objects(session.database, session.ledger.schema)
    words = fingerprint.differing(before, {k: v for k, v in now.items() if k not in excluded})
    return [w for w in words if w.startswith(f"{kind} ")]


def _left(session: Session, error: errors.PgRunbookError) -> str:
    left = [r.object for r in session.ledger.steps(session.run_id) if r.open]
    return f"{error.message}; still there: {', '.join(left)}"


def _mend(session: Session) -> str:
    statements = [
        str(phase)
        for row in reversed(session.ledger.steps(session.run_id))
        if row.open
        for phase in changes.again(row.kind, row.resolved_sql, row.options, row.position).undo(row.captured)
    ]
    return "run the rollback again, or by hand: " + " ".join(statements).removesuffix(";")


def run(session: Session) -> StageResult:
    """The whole stage."""
    undo(session)
    proof(session)
    answers(session)
    probes(session)
    claims(session)
    return session.finish()
