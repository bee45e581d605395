"""Migrate on a SQLite file: preflight, plan, execution, and the way back."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import UTC, datetime

from pgrunbook import errors
from pgrunbook import preflight as looking
from pgrunbook.execute import Done
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.fingerprint import differing
from pgrunbook.plan import Plan
from pgrunbook.sqlite import catalog, changes, lock
from pgrunbook.sqlite.execute import Executor
from pgrunbook.sqlite.session import SqliteSession
from pgrunbook.stages._measuring import megabytes
from pgrunbook.stages.migrate import PlanRow, WayBack, plan_rows, require_same


def preflight(session: SqliteSession) -> list[Check]:
    for name in ("fingerprint.json", "baseline_samples.json"):
        session.read_json(name)
    made = session.plan()
    about, file = session.runbook.about, session.file
    outside = bool(getattr(session.parameters, "outside_window", False))
    if not made.identity.may_create_schema:
        raise errors.BadTarget(
            f"target {session.target.name}: {made.identity.role} may not write {file.path.name}",
            remedy="run as the user that owns the file and its folder",
        )
    checks = session.record(
        [
            passed(
                "server", session.target.name, True, claimed="SQLite 3.9 or newer, a file that may be written",
                measured=f"SQLite {file.shown_version}, user {made.identity.role}",
            ),
            *looking.window(about.limits, datetime.now(UTC), rehearsal=session.is_rehearsal, outside=outside),
            _soundness(session),
            _others(session),
            *looking.objects(made),
            _space(session, made),
            *_schema_since_baseline(session),
        ]
    )  # fmt: skip
    session.event("preflight", checks=len(checks))
    failed = [c for c in checks if c.verdict is Verdict.FAILED and c.gates]
    if failed:
        lines = "\n".join(f"  {c.check}, {c.object}: {c.measured}, not {c.claimed}; {c.detail}" for c in failed)
        raise errors.PreflightFailed(f"preflight forbids the change, nothing was written:\n{lines}")
    return checks


def _soundness(session: SqliteSession) -> Check:
    """Whether the file is whole: a build reads all of a table, and would trip over a broken page."""
    try:
        with session.file.bounded(session.runbook.about.limits.query_timeout_s):
            found = [str(r[0]) for r in session.file.rows("pragma quick_check(5)")]
    except errors.StatementCancelled:
        detail = "it takes longer than a query may"
        return Check("soundness", session.file.path.name, Verdict.NOT_MEASURABLE, gates=False, detail=detail)
    return passed(
        "soundness", session.file.path.name, found == ["ok"], claimed="quick_check says ok", measured="; ".join(found),
        detail="" if found == ["ok"] else "restore a copy, or: sqlite3 FILE .recover",
    )  # fmt: skip


def _others(session: SqliteSession) -> Check:
    """Whether somebody writes to the file right now; the executor waits for them, within limits."""
    try:
        with session.writing() as file, file.transaction(rollback=True):
            busy = ""
    except errors.LockNotAvailable:
        busy = f"written to by {lock.who_has_open(session.file.path) or 'a process that this user can not see'}"
    return passed(
        "other writers", session.file.path.name, not busy, gates=False, claimed="none now", measured=busy or "none",
        detail="the change waits for them, within limits.lock_tries and limits.wait_budget_s" if busy else "",
    )  # fmt: skip


def _space(session: SqliteSession, made: Plan) -> Check:
    lasting = sum(s.estimate.bytes for s in made.left)
    most = max((s.estimate.temporary for s in made.left), default=0)
    free = shutil.disk_usage(session.file.path.parent).free
    allowed = session.runbook.about.limits.space_available_mb
    available = min(free, allowed * 2**20) if allowed else free
    return passed(
        "space", session.file.path.name, lasting + most <= available, claimed=f"at most {megabytes(int(available))}",
        measured=f"{megabytes(lasting)} for good, {megabytes(most)} while the largest is built",
        detail="estimated from the first rows of each table",
    )  # fmt: skip


def _schema_since_baseline(session: SqliteSession) -> list[Check]:
    if session.ledger.run(session.run_id) if session.ledger.exists() else None:
        return []
    now = catalog.objects(session.file, session.schema)
    words = differing(session.read_json("fingerprint_objects.json"), now)
    detail = "changed since: a rollback brings back what is there now; the baseline may be out of date"
    return [
        passed(
            "schema", session.identity.database, not words, gates=False, claimed="as at the baseline",
            measured="; ".join(words[:5]) or "as at the baseline", detail=detail if words else "",
        )
    ]  # fmt: skip


def plan(session: SqliteSession) -> list[PlanRow]:
    made = session.plan()
    session.event("plan", digest=made.digest, steps=[s.as_json() for s in made.steps])
    return plan_rows(made)


def execute(session: SqliteSession) -> list[Done]:
    made = session.plan()
    file, about = session.file, session.runbook.about
    with Executor(file, session.runbook.name, session.run_id, about.limits, session.schema, session) as executor:
        executor.bind(lambda: _bind_run(session, made))
        session.event("migration_started", digest=made.digest)
        done = []
        for one in executor.migrate(made):
            done.append(one)
            session.record(
                [passed("change", one.object, True, claimed="done", measured=one.outcome, detail=one.detail)]
            )
    session.write_json("migrate.json", {"digest": made.digest, "done": [asdict(d) for d in done]})
    return done


def _bind_run(session: SqliteSession, made: Plan) -> None:
    """Bind the run to this file and this plan, or make sure that it is the one it was bound to."""
    session.ledger.create()
    row = session.ledger.run(session.run_id)
    if row is None:
        kinds = catalog.fingerprint(session.file, session.schema)
        session.ledger.begin(
            session.run_id, session.runbook.name, made.digest, made.identity.key, made.search_path, kinds
        )
        return
    require_same(session, made, row.digest)
    if row.status in ("rolling_back", "rolled_back"):
        raise errors.WrongUsage(
            f"run {session.run_id} was rolled back; it can't be carried out again",
            remedy="begin a new run with 10_baseline",
        )


def way_back(session: SqliteSession) -> list[WayBack]:
    rows = []
    for row in reversed(session.ledger.steps(session.run_id)):
        if row.open:
            text = "; ".join(changes.undoing(row.kind, row.captured)) or "nothing to undo"
            kept = " -- kept on rollback" if row.options.get("on_rollback") == "keep" else ""
            rows.append(WayBack(row.position, row.kind, row.object, text + kept))
    return rows
