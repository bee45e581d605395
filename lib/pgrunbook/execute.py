"""Carrying out a plan, and undoing what a run did: the only place that runs a change.

Two sessions: one works, one watches; the stage holds the runbook's lock on a third. A concurrent build runs with
`lock_timeout = 0` while the watcher sums the time it spends waiting; anything else that can block
traffic runs under a lock_timeout with retries. Every change is in the ledger before it begins, so that a kill
at any point leaves a run that can be taken up or rolled back.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any, Literal, Protocol

from pgrunbook import changes, errors, preflight
from pgrunbook.changes import Change, Observation, State, Statement
from pgrunbook.db import Database, Running
from pgrunbook.ledger import Ledger, StepRow
from pgrunbook.lock import at_work, holder_of, try_lock
from pgrunbook.plan import Plan, Step
from pgrunbook.runbook import Limits

_POLL_S = 0.05
_TELL_EVERY_S = 0.5
_CLEAN_UP_S = 5.0
_BACKOFF_LIMIT_S = 30.0
_BUILDS_TRIED = 3
_ORPHAN_POLL_S = 0.2
_READ_ONLY = {"default_transaction_read_only": "on"}
_ACKNOWLEDGE = (
    'acknowledge it with the parameter acknowledge_loss = "{}" (or acknowledge_loss = "reason" under [objects] in'
    ' runbook.toml), or use scope = "indexes"'
)
_MEND = "mend the cause, then run it again: done changes are kept, the rest follows"

Scope = Literal["", "indexes", "all"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change has got. `fraction` is None where the server does not tell (sorting, waiting)."""

    position: int
    count: int
    object: str
    phase: str
    fraction: float | None
    seconds: float
    waiting_for: str = ""


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


class Observer(Protocol):
    """Somebody who is told what happens."""

    def progress(self, progress: Progress) -> None: ...

    def event(self, name: str, **data: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class _Watched:
    phase: str
    waiting: bool
    done: int
    total: int
    blockers: str
    wraparound: bool


class Interrupts:
    """Counts Ctrl-C instead of being torn out of a driver's call: once stops after this change, twice cancels it.

    The handler does no more than count: it may run in the midst of a write to the journal or the terminal.
    """

    def __init__(self) -> None:
        self._previous: Any = None
        self.presses = 0

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _pressed(self, _signal: int, _frame: FrameType | None) -> None:
        self.presses += 1


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
        self._sessions = contextlib.ExitStack()
        self._connect = connect
        self._settings = settings
        self._schema = ledger_schema
        self._count = 0
        self._waited = 0.0
        self._interrupts_told = 0

    def __enter__(self) -> Executor:
        try:
            self._work = self._sessions.enter_context(self._connect("work", self._settings))
            self._watch = self._sessions.enter_context(self._connect("watch", _READ_ONLY))
            self._work.on_notice(lambda text: self._observer.event("server_notice", text=text))
            self.ledger = Ledger(self._work, self._schema)
            self._interrupts = self._sessions.enter_context(Interrupts())
            timeout = self._work.value(
                "select setting::int from pg_catalog.pg_settings where name = 'deadlock_timeout'"
            )
            self.lock_timeout_ms = self._limits.lock_timeout_ms or int(timeout) + 500
        except BaseException:
            self._sessions.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions.__exit__(kind, error, trace)

    @property
    def database(self) -> Database:
        """The session that works, for looking at the catalog in between."""
        return self._work

    # -- forward ------------------------------------------------------------------------------------------

    def migrate(self, plan: Plan, orphan: str) -> Iterator[Done]:
        """Carry out a plan; the ledger has the run already. Yields what became of each change, as it is done."""
        self._count = len(plan.steps)
        self._await_orphan(cancel=orphan == "cancel")
        rows = {row.position: row for row in self.ledger.steps(self.run_id)}
        for step in plan.steps:
            self._between()
            done = self._carry_out(step, rows.get(step.position))
            self._observer.event("change_done", **_as_dict(done))
            yield done
        self.ledger.mark_run(self.run_id, "applied")

    def _carry_out(self, step: Step, row: StepRow | None) -> Done:
        started, self._waited = time.monotonic(), 0.0
        change = step.change

        def done(outcome: str, detail: str = "") -> Done:
            seconds = time.monotonic() - started
            return Done(step.position, step.kind, step.object, outcome, seconds, self._waited, detail)

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
        if seen.state is State.PRESENT:
            return self._found_done(step, row, done)
        self.ledger.start(self.run_id, self._row(step, "started", owned=True, captured=change.capture(self._work)))
        self._observer.event("change_started", position=step.position, object=step.object, state=seen.state.value)
        statements = change.apply(seen.state)
        for statement in statements:
            if statement.transactional:
                last = statement is statements[-1]
                self._in_transaction(step.position, step.object, statement, "applied" if last else "started")
            else:
                self._build(step, statement)
        if not all(s.transactional for s in statements):
            self.ledger.mark(self.run_id, step.position, "applied")
        return done("rebuilt" if seen.state is State.INVALID else "done")

    def _found_done(self, step: Step, row: StepRow | None, done: Callable[..., Done]) -> Done:
        """A change that needs no work: finished before a kill (ours), or there before the run (not ours)."""
        if row is None:
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
                self._outside_transaction(step.position, step.object, statement)
            except errors.StatementFailed as e:
                self._clean_up(step)
                if e.sqlstate == "40P01" and attempt < _BUILDS_TRIED:
                    self._observer.event("retry", object=step.object, reason=e.message)
                    continue
                e.remedy = e.remedy or _MEND
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
                if statement.transactional:
                    self._in_transaction(step.position, step.object, statement, "started")
                else:
                    self._outside_transaction(step.position, step.object, statement, budget_s=_CLEAN_UP_S, heed=False)
            except errors.PgRunbookError as e:
                self._observer.event(
                    "left_over",
                    object=step.object,
                    reason=e.message,
                    remedy=f"{statement.sql}; or run it again",
                )

    def _await_orphan(self, *, cancel: bool) -> None:
        """Make sure that no backend of a killed runner is still at its statement: wait until it is done, or cancel it.

        It is found by the lock that a working session holds, so also while it waits for a table's lock, when no
        catalog or progress view shows what it is about to make.
        """
        name, started, known, waited = at_work(self._runbook), time.monotonic(), 0, 0.0
        while not try_lock(self._work, name):
            if orphan := holder_of(self._watch, name):
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
                    self._watch.value("select pg_catalog.pg_cancel_backend($1)", [known])
                seen = self._look(known)
                waited += _ORPHAN_POLL_S if seen.waiting else 0
                if waited > self._limits.wait_budget_s:
                    raise errors.Aborted(
                        f"the statement of a killed runner goes on in {orphan}, and waited {waited:.0f} s"
                        f" for {seen.blockers or 'other sessions'}",
                        remedy=f"end those it waits for, or it: select pg_cancel_backend({known}); then run it again",
                    )
                self._tell(0, self._runbook, seen, started)
            self._between()
            time.sleep(_ORPHAN_POLL_S)

    def _wait_for_rival(self, step: Step, seen: Observation) -> None:
        """Another session, no runner of this runbook, builds this very index: wait for it within the budget."""
        started, waited = time.monotonic(), 0.0
        self._observer.event("orphan", object=step.object, pid=seen.pid, action="wait")
        while step.change.state(self._work).state is State.BUILDING:
            found = self._look(seen.pid)
            waited += _ORPHAN_POLL_S if found.waiting else 0
            if waited > self._limits.wait_budget_s:
                raise errors.Aborted(
                    f"{step.object} is being built by another session, pid {seen.pid}, which waited {waited:.0f} s"
                    f" for {found.blockers or 'other sessions'}",
                    remedy="run it again when that build is done, or raise limits.wait_budget_s",
                )
            self._between()
            self._tell(step.position, step.object, found, started)
            time.sleep(_ORPHAN_POLL_S)

    def _wait_for_foreign_builds(self, step: Step) -> None:
        """Two concurrent builds on one table deadlock, so another one is waited for, within the budget."""
        started = time.monotonic()
        while found := self._watch.fetch(
            "running_builds",
            preflight.RunningBuild,
            relations=[step.change.relation],
            own_pid=self._work.backend_pid,
        ):
            names = "; ".join(f"pid {b.pid} ({b.application}) builds {b.index}" for b in found)
            self._waited += 0.2
            if self._waited > self._limits.wait_budget_s:
                raise errors.Aborted(
                    f"{step.object} waited {self._waited:.0f} s for another build on {step.change.relation}: {names}",
                    remedy="run it again when that build is done, or raise limits.wait_budget_s",
                )
            self._between()
            seen = _Watched("waiting for another build", True, 0, 0, names, wraparound=False)
            self._tell(step.position, step.object, seen, started)
            time.sleep(0.2)

    # -- back ---------------------------------------------------------------------------------------------

    def undo(self, scope: Scope, acknowledged: frozenset[str]) -> Iterator[Done]:
        """Undo a run's own changes, the last one first. Raises `CheckFailed` before the first, if data would be lost.

        `acknowledged` are the objects (or labels) whose data may go.
        """
        self._await_orphan(cancel=True)
        todo = [(row, self._again(row)) for row in reversed(self.ledger.steps(self.run_id)) if row.open]
        self._count = len(todo)
        self._refuse_loss(todo, scope, acknowledged)
        self.ledger.mark_run(self.run_id, "rolling_back")
        for row, change in todo:
            self._between()
            kept = self._kept(row, change, scope)
            guarded = not self._acknowledged(row, change, acknowledged)
            done = self._keep(row, kept) if kept else self._undo_one(row, change, guarded=guarded)
            self._observer.event("undo_done", **_as_dict(done))
            yield done
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
            return "out of the asked scope (indexes)"
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
        timeout = f"{self.lock_timeout_ms}ms"
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
        return Done(row.position, row.kind, row.object, "kept", 0.0, 0.0, reason)

    def _undo_one(self, row: StepRow, change: Change, *, guarded: bool) -> Done:
        started, self._waited = time.monotonic(), 0.0

        def done(outcome: str, detail: str = "") -> Done:
            return Done(row.position, row.kind, row.object, outcome, time.monotonic() - started, self._waited, detail)

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
        for statement in statements:
            if statement.transactional:
                status = "undone" if statement is statements[-1] else "applied"
                guard = (lambda: self._refuse_late_loss(change)) if guarded and statement.relation else None
                self._in_transaction(row.position, row.object, statement, status, guard)
            else:
                self._outside_transaction(row.position, row.object, statement)
        if not all(s.transactional for s in statements):
            self.ledger.mark(self.run_id, row.position, "undone")
        leftover = row.captured.get("leftover", "")
        return done(
            "undone",
            f"an invalid leftover that was there before is not restored: {leftover}" if leftover else "",
        )

    # -- one statement ------------------------------------------------------------------------------------

    def _in_transaction(
        self, position: int, obj: str, statement: Statement, status: str, guard: Callable[[], None] | None = None
    ) -> None:
        """A statement together with its ledger row, under lock_timeout, with retries, backoff and jitter.

        A `guard` is called when the lock is had, before the statement.
        """
        for attempt in range(1, self._limits.lock_tries + 1):
            try:
                with self._work.transaction(
                    lock_timeout=f"{self.lock_timeout_ms}ms", statement_timeout=self._statement_timeout()
                ):
                    if guard:
                        lock = f"lock table {statement.relation} in access exclusive mode"
                        self._watched(position, obj, replace(statement, sql=lock), budget_s=None)
                        guard()
                    self._watched(position, obj, statement, budget_s=None)
                    self.ledger.mark(self.run_id, position, status)
            except errors.LockNotAvailable as e:
                if attempt == self._limits.lock_tries:
                    raise errors.Aborted(
                        f"{obj}: no {statement.lock} lock on {statement.relation} in {attempt} tries of "
                        f"{self.lock_timeout_ms} ms; {e.remedy or 'the blocker is not visible'}",
                        remedy="run it again when the table is less busy, or end the blocker",
                    ) from None
                pause = min(0.1 * 2**attempt, _BACKOFF_LIMIT_S) * random.uniform(0.5, 1)  # noqa: S311
                self._observer.event("retry", object=obj, reason=e.remedy or e.message, attempt=attempt, pause_s=pause)
                self._pause(pause)
                continue
            except errors.StatementFailed as e:
                e.remedy = e.remedy or _MEND
                raise
            return

    def _outside_transaction(
        self,
        position: int,
        obj: str,
        statement: Statement,
        *,
        budget_s: float | None = None,
        heed: bool = True,
    ) -> None:
        """A statement that can't be in a transaction; its waiting is bounded by the watcher."""
        self._work.set("lock_timeout", "0")
        try:
            self._watched(position, obj, statement, budget_s=budget_s or self._limits.wait_budget_s, heed=heed)
        finally:
            if self._work.usable:
                self._work.set("lock_timeout", f"{self.lock_timeout_ms}ms")

    def _watched(
        self, position: int, obj: str, statement: Statement, *, budget_s: float | None, heed: bool = True
    ) -> None:
        """Run a statement and look after it from the second session. Cancels it past the budget of waiting."""
        started = last = time.monotonic()
        before, told, blockers = self._waited, 0.0, ""
        self._observer.event("statement", object=obj, sql=statement.sql, lock=statement.lock.value)
        running, pid = Running(self._work, statement.sql), self._work.backend_pid
        try:
            while not running.wait(_POLL_S):
                seen = self._look(pid)
                now = time.monotonic()
                if seen.waiting:
                    self._waited += now - last
                    blockers = seen.blockers or blockers
                last = now
                if seen.wraparound or (budget_s is not None and self._waited - before > budget_s):
                    self._give_up(running, obj, seen, self._waited - before, blockers)
                if heed:
                    self._heed_interrupts(running)
                if now - told > _TELL_EVERY_S:
                    told = now
                    self._tell(position, obj, seen, started)
        except BaseException:
            if not running.wait(0):  # nobody looks after it any more, and the session can't be used until it ends
                self._work.close()
            raise
        try:
            running.result()
        except errors.LockNotAvailable as e:
            e.remedy = f"held by {blockers}" if blockers else ""
            raise

    def _give_up(self, running: Running, obj: str, seen: _Watched, waited: float, blockers: str) -> None:
        self._cancel(running)
        reason = "an anti-wraparound vacuum, which does not yield" if seen.wraparound else blockers or "other sessions"
        raise errors.Aborted(
            f"{obj} waited {waited:.1f} s for {reason}; it was cancelled",
            remedy="run it again when they are done, end them, or raise limits.wait_budget_s",
        )

    def _look(self, pid: int) -> _Watched:
        """What a backend is at. When it has just ended there is nothing to see. A watcher that was lost is replaced."""
        try:
            seen = self._watch.one("watch", _Watched, pid=pid)
        except errors.LostConnection as lost:
            try:
                self._watch = self._sessions.enter_context(self._connect("watch", _READ_ONLY))
            except errors.BadTarget:
                raise lost from None
            seen = self._watch.one("watch", _Watched, pid=pid)
        return seen or _Watched("ending", False, 0, 0, "", wraparound=False)

    def _cancel(self, running: Running) -> None:
        while not running.wait(0.5):
            self._work.cancel()
        with contextlib.suppress(errors.StatementFailed):
            running.result()

    def _tell_interrupts(self) -> None:
        texts = ("Stopping after this change. Interrupt once more to cancel it now.", "Cancelling this change.")
        while self._interrupts_told < min(self._interrupts.presses, len(texts)):
            self._interrupts_told += 1
            self._observer.event("interrupt", text=texts[self._interrupts_told - 1])

    def _heed_interrupts(self, running: Running) -> None:
        self._tell_interrupts()
        if self._interrupts.presses < 2:
            return
        self._cancel(running)
        raise errors.Aborted("cancelled by hand", remedy="run it again to go on, or roll back")

    def _between(self) -> None:
        """Between two changes: stop here if somebody asked to."""
        self._tell_interrupts()
        if self._interrupts.presses:
            raise errors.Aborted("stopped by hand between two changes", remedy="run it again to go on, or roll back")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._between()
            time.sleep(0.05)

    def _statement_timeout(self) -> str:
        return f"{int(self._limits.statement_timeout_s * 1000)}ms"

    def _tell(self, position: int, obj: str, seen: _Watched, started: float) -> None:
        fraction = min(seen.done / seen.total, 1.0) if seen.total and not seen.waiting else None
        self._observer.progress(
            Progress(
                position=position,
                count=self._count,
                object=obj,
                phase=seen.phase,
                fraction=fraction,
                seconds=time.monotonic() - started,
                waiting_for=seen.blockers if seen.waiting else "",
            )
        )


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
