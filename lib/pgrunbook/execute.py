"""Carrying out a plan, and undoing what a run did: the only place that runs a change.

Every change is in the ledger before it begins, so that a kill at any point leaves a run that can be taken up or rolled
back. The stage holds the runbook's lock on a session of its own; the two sessions here work and watch (`watch.py`).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal

from pgrunbook import changes, errors, preflight
from pgrunbook.changes import Change, Observation, State, Statement
from pgrunbook.db import Database
from pgrunbook.description import Limits
from pgrunbook.ledger import Ledger, StepRow
from pgrunbook.lock import at_work, holder_of, try_lock
from pgrunbook.plan import Plan, Step
from pgrunbook.watch import MEND, Observer, Seen, Subject, Watch

_CLEAN_UP_S = 5.0
_MADE_BY_ANOTHER = ("42P07", "42701")  # duplicate_table (an index too), duplicate_column
_BUILDS_TRIED = 3
_ORPHAN_POLL_S = 0.2
_ACKNOWLEDGE = 'acknowledge it with the parameter acknowledge_loss = "{}", or use scope = "indexes"'
_OUT_OF_SCOPE = "out of the asked scope (indexes)"

Scope = Literal["", "indexes", "all"]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one change. `seconds` of work, `waited` of them for other sessions."""

    position: int
    kind: str
    object: str
    outcome: str
    seconds: float
    waited: float
    detail: str = ""


class Executor:
    """Runs changes and undoes them. Use as a context manager: it holds two sessions.

    `connect` opens a session on the target; it is given an application name's suffix and settings.
    """

    def __init__(
        self,
        runbook: str,
        run_id: str,
        connect: Callable[[str, Mapping[str, str]], Database],
        limits: Limits,
        settings: Mapping[str, str],
        ledger_schema: str,
        observer: Observer,
    ) -> None:
        self._runbook = runbook
        self.run_id = run_id
        self._limits = limits
        self._observer = observer
        self._schema = ledger_schema
        self._watch = Watch(connect, limits, settings, observer)
        self._count = 0

    def __enter__(self) -> Executor:
        self._watch.__enter__()
        self.ledger = Ledger(self._work, self._schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, error, trace)

    @property
    def _work(self) -> Database:
        return self._watch.work

    # -- forward ------------------------------------------------------------------------------------------

    def migrate(self, plan: Plan, orphan: str) -> Iterator[Done]:
        """Carry out a plan; the ledger has the run already. Yields what became of each change, as it is done."""
        self._count = len(plan.steps)
        self._await_orphan(cancel=orphan == "cancel")
        rows = {row.position: row for row in self.ledger.steps(self.run_id)}
        for step in plan.steps:
            self._watch.between()
            done = self._carry_out(step, rows.get(step.position))
            self._observer.event("change_done", **_as_dict(done))
            yield done
        self.ledger.mark_run(self.run_id, "applied")

    def _carry_out(self, step: Step, row: StepRow | None) -> Done:
        started, self._watch.waited = time.monotonic(), 0.0
        change = step.change

        def done(outcome: str, detail: str = "") -> Done:
            seconds = time.monotonic() - started
            return Done(step.position, step.kind, step.object, outcome, seconds, self._watch.waited, detail)

        seen = change.state(self._work)
        if seen.state is State.BUILDING:
            self._wait_for_rival(step, seen)
            seen = change.state(self._work)
        if seen.state is State.DIFFERENT:
            raise errors.PreflightFailed(
                f"{step.object} is there with another definition; {seen.detail}",
                remedy="rename one of the two, or drop the found one if nobody needs it",
            )
        if seen.state is State.UNKNOWN and row and row.status == "applied":
            return done("done before")
        if seen.state is State.UNKNOWN and step.seen.state is State.PRESENT:
            return self._found_done(step, row, done)  # the ledger says that another run did it
        if seen.state is State.PRESENT:
            return self._found_done(step, row, done)
        self.ledger.start(self.run_id, self._row(step, "started", owned=True, captured=change.capture(self._work)))
        self._observer.event("change_started", position=step.position, object=step.object, state=seen.state.value)
        statements = change.apply(seen.state)
        try:
            if all(s.transactional for s in statements):
                self._in_transaction(step.position, step.object, statements, "applied")
            else:
                for statement in statements:
                    self._build(step, statement)
                self.ledger.mark(self.run_id, step.position, "applied")
        except errors.StatementFailed as e:
            if e.sqlstate in _MADE_BY_ANOTHER and seen.state is not State.UNKNOWN:
                row = self._row(step, "already", owned=False, captured={})
                self.ledger.start(self.run_id, replace(row, detail="made by another session during the run"))
                e.remedy = f"another session made it meanwhile, and it is not this run's; {MEND}"
            raise
        return done("rebuilt" if seen.state is State.INVALID else "done")

    def _found_done(self, step: Step, row: StepRow | None, done: Callable[..., Done]) -> Done:
        """A change that needs no work: finished before a kill (ours), or there before the run (not ours)."""
        outside = not all(s.transactional for s in step.change.apply(State.ABSENT))
        if row is None or row.status == "undone" or (row.status == "started" and not outside):
            # what is done in a transaction is marked in it: only a build outside of one can be done and not marked
            self.ledger.start(self.run_id, self._row(step, "already", owned=False, captured={}))
            return done("there before", "not this run's: a rollback leaves it")
        if row.status == "started":
            self.ledger.mark(self.run_id, step.position, "applied", "finished by the server after the runner was gone")
            return done("done", "the server had finished it after the runner was gone")
        return done("there before" if row.status == "already" else "done before")

    def _row(self, step: Step, status: str, *, owned: bool, captured: dict[str, Any]) -> StepRow:
        change = step.change
        return StepRow(
            position=step.position,
            kind=change.kind,
            object=change.object,
            relation=change.relation,
            resolved_sql=change.resolved_sql(),
            options=change.options.model_dump(),
            status=status,
            owned=owned,
            captured=captured,
            detail="",
            started_at=None,
            finished_at=None,
        )

    def _build(self, step: Step, statement: Statement) -> None:
        """A statement outside a transaction; after a deadlock with another build it is tried again."""
        for attempt in range(1, _BUILDS_TRIED + 1):
            self._wait_for_foreign_builds(step)
            try:
                self._watch.outside_transaction(self._subject(step.position, step.object), statement)
            except errors.StatementFailed as e:
                self._clean_up(step)
                if e.sqlstate == "40P01" and attempt < _BUILDS_TRIED:
                    self._observer.event("retry", object=step.object, reason=e.message)
                    continue
                e.remedy = e.remedy or MEND
                raise
            except errors.Aborted:
                if self._work.usable:
                    self._clean_up(step)
                raise
            return

    def _clean_up(self, step: Step) -> None:
        """Drop the invalid index that a failed build leaves: writes pay for it, reads don't use it."""
        if step.change.state(self._work).state is not State.INVALID:
            return
        for statement in step.change.undo({}):
            try:
                self._watch.outside_transaction(
                    self._subject(step.position, step.object), statement, budget_s=_CLEAN_UP_S, heed=False
                )
            except errors.PgRunbookError as e:
                self._observer.event(
                    "left_over",
                    object=step.object,
                    reason=e.message,
                    remedy=f"{statement.sql}; or run it again",
                )
                return
        self.ledger.mark(self.run_id, step.position, "undone", "its build failed and was cleared away")

    def _await_orphan(self, *, cancel: bool) -> None:
        """Make sure that no backend of a killed runner is still at its statement: wait until it is done, or cancel it.

        It is found by the lock that a working session holds, so also while it waits for a table's lock, when no
        catalog or progress view shows what it is about to make.
        """
        name, started, known, waited = at_work(self._runbook), time.monotonic(), 0, 0.0
        while not try_lock(self._work, name):
            if orphan := holder_of(self._watch.eyes, name):
                if orphan.pid != known:
                    known = orphan.pid
                    under_way = [r.object for r in self.ledger.steps(self.run_id) if r.status == "started"]
                    self._observer.event(
                        "orphan",
                        object=(under_way or [self._runbook])[0],
                        pid=known,
                        application=orphan.application,
                        action="cancel" if cancel else "wait",
                    )
                if cancel:
                    self._watch.eyes.value("select pg_catalog.pg_cancel_backend($1)", [known])
                seen = self._watch.look(known)
                waited += _ORPHAN_POLL_S if seen.waiting or seen.idle else 0
                if waited > self._limits.wait_budget_s:
                    what = "is idle and not gone" if seen.idle else f"waits for {seen.blockers or 'other sessions'}"
                    end = "pg_terminate_backend" if seen.idle else "pg_cancel_backend"
                    raise errors.Aborted(
                        f"a session of another runner, {orphan}, {what} after {waited:.0f} s",
                        remedy=f"end it: select {end}({known}); then run it again",
                    )
                self._watch.tell(self._subject(0, self._runbook), seen, started)
            self._watch.between()
            time.sleep(_ORPHAN_POLL_S)

    def _wait_for_rival(self, step: Step, seen: Observation) -> None:
        """Another session, no runner of this runbook, builds this very index: wait for it within the budget."""
        started, waited = time.monotonic(), 0.0
        self._observer.event("orphan", object=step.object, pid=seen.pid, action="wait")
        while step.change.state(self._work).state is State.BUILDING:
            found = self._watch.look(seen.pid)
            waited += _ORPHAN_POLL_S if found.waiting else 0
            if waited > self._limits.wait_budget_s:
                raise errors.Aborted(
                    f"{step.object} is being built by another session, pid {seen.pid}, which waited {waited:.0f} s"
                    f" for {found.blockers or 'other sessions'}",
                    remedy="run it again when that build is done, or raise limits.wait_budget_s",
                )
            self._watch.between()
            self._watch.tell(self._subject(step.position, step.object), found, started)
            time.sleep(_ORPHAN_POLL_S)

    def _wait_for_foreign_builds(self, step: Step) -> None:
        """Two concurrent builds on one table deadlock, so another one is waited for, within the budget."""
        started = time.monotonic()
        while found := self._watch.eyes.fetch(
            "running_builds",
            preflight.RunningBuild,
            relations=[step.change.relation],
            own_pid=self._work.backend_pid,
        ):
            names = "; ".join(f"pid {b.pid} ({b.application}) builds {b.index}" for b in found)
            self._watch.waited += 0.2
            if self._watch.waited > self._limits.wait_budget_s:
                raise errors.Aborted(
                    f"{step.object} waited {self._watch.waited:.0f} s for another build on "
                    f"{step.change.relation}: {names}",
                    remedy="run it again when that build is done, or raise limits.wait_budget_s",
                )
            self._watch.between()
            seen = Seen("waiting for another build", True, False, 0, 0, names, wraparound=False)
            self._watch.tell(self._subject(step.position, step.object), seen, started)
            time.sleep(0.2)

    # -- back ---------------------------------------------------------------------------------------------

    def undo(self, scope: Scope, acknowledged: frozenset[str]) -> Iterator[Done]:
        """Undo a run's own changes, the last one first. Raises `CheckFailed` before the first, if data would be lost.

        `acknowledged` are the objects (or labels) whose data may go.
        """
        self._await_orphan(cancel=True)
        rows = [r for r in self.ledger.steps(self.run_id) if r.open or (r.kept and scope == "all")]
        todo = [(row, self._again(row)) for row in reversed(rows)]
        self._count = len(todo)
        self._refuse_loss(todo, scope, acknowledged)
        self.ledger.mark_run(self.run_id, "rolling_back")
        left = False
        for row, change in todo:
            self._watch.between()
            kept = self._kept(row, change, scope)
            guarded = not self._acknowledged(row, change, acknowledged)
            done = self._keep(row, kept) if kept else self._undo_one(row, change, guarded=guarded)
            left |= done.outcome == "left"
            self._observer.event("undo_done", **_as_dict(done))
            yield done
        if not left:
            self.ledger.mark_run(self.run_id, "rolled_back")

    @staticmethod
    def _again(row: StepRow) -> Change:
        return changes.again(row.kind, row.resolved_sql, row.options, row.position)

    @staticmethod
    def _kept(row: StepRow, change: Change, scope: Scope) -> str:
        """Why a change stays; empty when it is to be undone."""
        if scope != "all" and change.options.on_rollback == "keep":
            return "kept on purpose (on_rollback = keep)"
        if scope == "indexes" and not change.is_index:
            return _OUT_OF_SCOPE
        if row.status == "applied" and not change.undo(row.captured):
            return f"can't be undone: {change.options.irreversible}"
        return ""

    def _refuse_loss(self, todo: list[tuple[StepRow, Change]], scope: Scope, acknowledged: frozenset[str]) -> None:
        losses = []
        for row, change in todo:
            if not self._kept(row, change, scope) and not self._acknowledged(row, change, acknowledged):
                loss = change.loss(self._work)
                losses += [(loss, change.label)] if loss else []
        if losses:
            raise errors.CheckFailed(
                "rolling back would lose " + "; ".join(loss for loss, _ in losses) + "; nothing was undone",
                remedy=_ACKNOWLEDGE.format(", ".join(label for _, label in losses)),
            )

    @staticmethod
    def _acknowledged(row: StepRow, change: Change, acknowledged: frozenset[str]) -> bool:
        return bool(change.options.acknowledge_loss or {row.object, change.label} & acknowledged)

    def _refuse_late_loss(self, change: Change) -> None:
        """Look again under the lock: what was written while the rollback was under way is not lost either."""
        timeout = f"{self._watch.lock_timeout_ms}ms"
        try:
            with self._work.transaction(rollback=True, statement_timeout=timeout):
                loss = change.loss(self._work)
        except errors.StatementCancelled:
            raise errors.RollbackFailed(
                f"whether {change.object} holds data can't be told within {timeout}, for which traffic may be blocked",
                remedy=_ACKNOWLEDGE.format(change.label),
            ) from None
        if loss:
            raise errors.RollbackFailed(
                f"{loss} came while the rollback was under way, so it was kept",
                remedy=_ACKNOWLEDGE.format(change.label),
            )

    def _keep(self, row: StepRow, reason: str) -> Done:
        if reason != _OUT_OF_SCOPE:
            self.ledger.mark(self.run_id, row.position, "kept", reason)
        return Done(row.position, row.kind, row.object, "kept", 0.0, 0.0, reason)

    def _undo_one(self, row: StepRow, change: Change, *, guarded: bool) -> Done:
        started, self._watch.waited = time.monotonic(), 0.0

        def done(outcome: str, detail: str = "") -> Done:
            return Done(
                row.position, row.kind, row.object, outcome, time.monotonic() - started, self._watch.waited, detail
            )

        seen = change.state(self._work)
        if seen.state is State.BUILDING:
            return done("left", f"another session, pid {seen.pid}, builds it; that one is not this run's")
        if seen.state is State.ABSENT:
            self.ledger.mark(self.run_id, row.position, "undone", "was gone already")
            return done("gone already")
        if seen.state is State.UNKNOWN and row.status == "started":
            self.ledger.mark(self.run_id, row.position, "undone", "had not been done")
            return done("had not been done")
        if seen.state is State.DIFFERENT:
            return done("left", f"somebody changed it since, so it is not this run's any more; {seen.detail}")
        statements = change.undo(row.captured)
        if all(s.transactional for s in statements):
            guard = (lambda: self._refuse_late_loss(change)) if guarded and change.relation else None
            self._in_transaction(row.position, row.object, statements, "undone", guard)
        else:
            for statement in statements:
                self._watch.outside_transaction(self._subject(row.position, row.object), statement)
            self.ledger.mark(self.run_id, row.position, "undone")
        leftover = row.captured.get("leftover", "")
        return done(
            "undone",
            f"an invalid leftover that was there before is not restored: {leftover}" if leftover else "",
        )

    def _subject(self, position: int, obj: str) -> Subject:
        return Subject(position, self._count, obj)

    def _in_transaction(
        self,
        position: int,
        obj: str,
        statements: Sequence[Statement],
        status: str,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """Statements together with their ledger row."""
        record = functools.partial(self.ledger.mark, self.run_id, position, status)
        self._watch.in_transaction(self._subject(position, obj), statements, record, guard)


def _as_dict(done: Done) -> dict[str, Any]:
    return {
        "position": done.position,
        "kind": done.kind,
        "object": done.object,
        "outcome": done.outcome,
        "seconds": round(done.seconds, 3),
        "waited": round(done.waited, 3),
        "detail": done.detail,
    }
