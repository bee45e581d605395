"""Rollback on a SQLite file: undo what the run did and nothing else, then prove it. Works from the ledger alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict

from pgrunbook import errors
from pgrunbook.execute import Done, Scope
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.fingerprint import differing
from pgrunbook.ledger import RunRow
from pgrunbook.measure.compare import compare
from pgrunbook.sqlite import catalog, changes, shared
from pgrunbook.sqlite.execute import Executor
from pgrunbook.sqlite.session import SqliteSession
from pgrunbook.stages import _measuring
from pgrunbook.stages._measuring import megabytes
from pgrunbook.stages.rollback import Proof
from pgrunbook.stages.verify import answer_checks, rows_check

_DONE = "rollback.json"


def undo(session: SqliteSession) -> list[Done]:
    row = _run_row(session)
    about = session.runbook.about
    started, done = time.monotonic(), list[Done]()
    scope: Scope = getattr(session.parameters, "scope", "")
    file = session.file
    try:
        with Executor(file, session.runbook.name, row.run_id, about.limits, session.schema, session) as executor:
            done.extend(executor.undo(scope))
    except (errors.StatementFailed, errors.LostConnection) as e:
        left = [r.object for r in session.ledger.steps(row.run_id) if r.open]
        raise errors.RollbackFailed(f"{e.message}; still there: {', '.join(left)}", remedy=_mend(session)) from None
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
                "time of the rollback", session.runbook.name, seconds <= limit, claimed=f"within {limit:g} s",
                gates=False, measured=f"{seconds:.1f} s",
            ),
        ]
    )  # fmt: skip
    session.write_json(_DONE, {"seconds": seconds, "done": [asdict(d) for d in done]})
    return done


def _mend(session: SqliteSession) -> str:
    steps = reversed([r for r in session.ledger.steps(session.run_id) if r.open])
    statements = [sql for row in steps for sql in changes.undoing(row.kind, row.captured)]
    return "run the rollback again, or by hand: " + "; ".join(statements)


def _run_row(session: SqliteSession) -> RunRow:
    row = session.ledger.run(session.run_id)
    if row is None or row.runbook != session.runbook.name:
        raise errors.WrongUsage(
            f"the ledger of {session.target.name} knows no run {session.run_id} of {session.runbook.name}",
            remedy=f"pgrunbook status {session.runbook.name} --target {session.target.name}",
        )
    if row.system_identifier != session.identity.system_identifier:
        raise errors.BadTarget(
            f"run {session.run_id} was carried out on another database", remedy="name that run's target"
        )
    return row


def proof(session: SqliteSession) -> list[Proof]:
    row = _run_row(session)
    exceptions = _exceptions(session)
    excluded = [ident for idents in exceptions.values() for ident in idents]
    found = catalog.fingerprint(session.file, session.schema, excluded)
    live = session.runbook.about.live
    rows = []
    for kind in sorted({*found, *row.fingerprint}):
        same = found.get(kind) == row.fingerprint.get(kind)
        words = [] if same else _differing(session, kind)
        others = [w for w in words if w.rpartition(": ")[0] not in excluded]
        same = same or bool(words and not others)  # all that differs is kept on purpose
        detail = "" if same else "; ".join(others[:5]) or "differs"
        detail += "; others may have changed it since" if detail and live else ""
        session.record(
            [passed("fingerprint", kind, same, claimed="as before the run", measured="equal" if same else "differs",
                    gates=not live, detail=detail)]
        )  # fmt: skip
        rows.append(Proof(kind, Verdict.PASSED if same else Verdict.FAILED, detail))
    rows += [Proof("exception", Verdict.PASSED, reason) for reason in exceptions]
    free = int(session.file.value("pragma freelist_count")) * int(session.file.value("pragma page_size"))
    if free:
        rows.append(Proof("room", Verdict.PASSED, f"{megabytes(free)} of free pages stay in the file until VACUUM"))
    return rows


def _exceptions(session: SqliteSession) -> dict[str, tuple[str, ...]]:
    """What stays on purpose, or is somebody else's, by reason, with what it adds to the fingerprint."""
    reasons = {d["object"]: d["detail"] for d in session.read_json(_DONE)["done"] if d["outcome"] == "kept"}
    found: dict[str, tuple[str, ...]] = {}
    for row in session.ledger.steps(session.run_id):
        reason = row.detail if row.kept else reasons.get(row.object)
        if reason:
            found[f"{row.object}: {reason}"] = (f"index {row.object}",)
    return found


def _differing(session: SqliteSession, kind: str) -> list[str]:
    try:
        before = session.read_json("fingerprint_objects.json")
    except errors.MissingForerunner:
        return ["which objects can't be told without the run's folder"]
    words = differing(before, catalog.objects(session.file, session.schema))
    return [w for w in words if w.startswith(f"{kind} ")]


def answers(session: SqliteSession) -> list[Check]:
    try:
        before = _measuring.kept(session, _measuring.BASELINE)
        contents = session.read_json("baseline_contents.json")
        after = shared.samples(session, timed=False)
    except errors.MissingForerunner as e:
        return session.record([Check("answer", "workload", Verdict.NOT_MEASURABLE, gates=False, detail=e.message)])
    _measuring.keep(session, _measuring.ROLLBACK, after)
    pairs = compare(before, after)
    rows = rows_check(session, shared.sized(shared.tables(session)))
    return session.record([*answer_checks(session, pairs), rows, _content_check(session, contents)])


def _content_check(session: SqliteSession, before: Mapping[str, str]) -> Check:
    after = shared.contents(session, list(before))
    wrong = [t for t, digest in before.items() if t in after and after[t] != digest]
    if not after:
        detail = "a live database's rows are not compared" if not before else "it took longer than a query may"
        return Check("content", "all tables", Verdict.NOT_MEASURABLE, gates=False, detail=detail)
    return passed(
        "content", f"{len(after)} tables", not wrong, claimed="every row as before, in whatever order",
        measured=f"differs: {', '.join(wrong)}" if wrong else "as before",
    )  # fmt: skip


def probes(session: SqliteSession) -> list[Check]:
    wanted = {p.name for p in session.runbook.probes if p.after_rollback}
    if wanted:
        return shared.probes(session, wanted)
    detail = "none of them holds without the change" if session.runbook.probes else "the runbook has none"
    return session.record([Check("probes", session.runbook.name, Verdict.NOT_MEASURABLE, gates=False, detail=detail)])
