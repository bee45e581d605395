"""Carrying out a plan on a SQLite file, and undoing what a run did.

SQLite's DDL is transactional: a change and its row in the ledger are committed together, so a kill at any point leaves
each change done or not done. The write lock is had within a time limit, tried again, and given up naming who has it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from pgrunbook import errors
from pgrunbook.changes import Change, State
from pgrunbook.description import Limits
from pgrunbook.execute import Done, Scope
from pgrunbook.ledger import StepRow
from pgrunbook.plan import Plan, Step
from pgrunbook.sqlite import catalog, changes, lock
from pgrunbook.sqlite.db import BUSY_MS, File
from pgrunbook.sqlite.ledger import SqliteLedger
from pgrunbook.watch import MEND, Interrupts, Observer, Progress

T = TypeVar("T")
_BACKOFF_LIMIT_S = 30.0
_TELL_EVERY_S = 0.5


class Executor:
    """Runs changes and undoes them. Use as a context manager: it listens for Ctrl-C meanwhile."""

    def __init__(self, file: File, runbook: str, run_id: str, limits: Limits, schema: str, observer: Observer) -> None:
        self._file = file
        self._runbook = runbook
        self.run_id = run_id
        self._limits = limits
        self._observer = observer
        self._interrupts = Interrupts()
        self._count = 0
        self.ledger = SqliteLedger(file, schema)

    def __enter__(self) -> Executor:
        self._interrupts.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupts.__exit__(kind, error, trace)

    def bind(self, work: Callable[[], None]) -> None:
        """Bind the run to the file, in one transaction."""
        self._writing(0, self._runbook, work)

    # -- forward ------------------------------------------------------------------------------------------

    def migrate(self, plan: Plan) -> Iterator[Done]:
        """Carry out a plan; the ledger has the run already. Yields what became of each change, as it is done."""
        self._count = len(plan.steps)
        rows = {row.position: row for row in self.ledger.steps(self.run_id)}
        for step in plan.steps:
            self._between()
            done = self._writing(step.position, step.object, partial(self._carry_out, step, rows.get(step.position)))
            self._tell("change_done", done)
            yield done
        self._writing(0, self._runbook, lambda: self.ledger.mark_run(self.run_id, "applied"))

    def _carry_out(self, step: Step, row: StepRow | None) -> Done:
        """One change, inside of the transaction that it is committed in."""
        started, change = time.monotonic(), changes.own(step.change)
        if change.recorded and row and row.status == "applied":
            return _done(step, "done before")
        seen = change.standing(self._file)
        if seen.state is State.DIFFERENT:
            raise errors.PreflightFailed(
                f"{step.object} is there with another definition; {seen.detail}", remedy=change.if_different
            )
        by_another = change.recorded and self.ledger.run_that_applied(self._runbook, change.resolved_sql())
        if seen.state is State.PRESENT or by_another:
            if row is None or row.status == "undone":
                self.ledger.start(self.run_id, _row(step, "already", {}, owned=False))
                return _done(step, "there before", detail="not this run's: a rollback leaves it")
            return _done(step, "there before" if row.status == "already" else "done before")
        captured = change.capture(self._file)
        self._observer.event("change_started", position=step.position, object=step.object, state=seen.state.value)
        for phase in change.apply(seen):
            for statement in phase.statements:
                self._file.execute(statement.sql)
        captured |= change.made(self._file)
        self.ledger.start(self.run_id, _row(step, "applied", captured, owned=True))
        return _done(step, "done", time.monotonic() - started)

    # -- back ---------------------------------------------------------------------------------------------

    def undo(self, scope: Scope) -> Iterator[Done]:
        """Undo a run's own changes, the last one first."""
        rows = [r for r in self.ledger.steps(self.run_id) if r.open or (r.kept and scope == "all")]
        self._count = len(rows)
        self._writing(0, self._runbook, lambda: self.ledger.mark_run(self.run_id, "rolling_back"))
        left = False
        for row in reversed(rows):
            self._between()
            done = self._writing(row.position, row.object, partial(self._take_back, row, scope))
            left |= done.outcome == "left"
            self._tell("undo_done", done)
            yield done
        if not left:
            self._writing(0, self._runbook, lambda: self.ledger.mark_run(self.run_id, "rolled_back"))

    def _take_back(self, row: StepRow, scope: Scope) -> Done:
        started = time.monotonic()

        def done(outcome: str, detail: str = "", seconds: float = 0.0) -> Done:
            return Done(row.position, row.kind, row.object, outcome, round(seconds, 3), 0.0, detail)

        if scope != "all" and row.options.get("on_rollback") == "keep":
            reason = "kept on purpose (on_rollback = keep)"
            self.ledger.mark(self.run_id, row.position, "kept", reason)
            return done("kept", reason)
        if scope == "indexes" and row.kind not in (changes.CreateIndex.kind, changes.DropIndex.kind):
            return done("kept", "out of the asked scope (indexes)")
        if nothing := self._nothing_to_undo(row):
            outcome, detail = nothing
            if outcome != "left":
                self.ledger.mark(self.run_id, row.position, "undone", detail)
            return done(outcome, detail)
        back = changes.undoing(row.kind, row.captured)
        for sql in back:
            self._file.execute(sql)
        self.ledger.mark(self.run_id, row.position, "undone")
        return done("undone", "" if back else "there is nothing to take back", time.monotonic() - started)

    def _nothing_to_undo(self, row: StepRow) -> tuple[str, str] | None:
        """What became of an index that is not there any more, or not this run's any more."""
        if "name" not in row.captured:
            return None
        found = catalog.index(self._file, row.captured["name"])
        if row.kind == changes.CreateIndex.kind:
            if found is None:
                return "gone already", "was gone already"
            if found.sql != row.captured["sql"]:
                return "left", f"somebody changed it since, so it is not this run's any more; found: {found}"
        if row.kind == changes.DropIndex.kind and found is not None:
            if found.sql == row.captured["before"]:
                return "gone already", "is as it was before"
            return "left", f"somebody made another one since, so the old one can't come back; found: {found}"
        return None

    # -- bounds -------------------------------------------------------------------------------------------

    def _writing(self, position: int, obj: str, work: Callable[[], T]) -> T:
        """Do something in one transaction, under the file's write lock. Raises `Aborted` naming who has it."""
        begun = time.monotonic()
        for attempt in range(1, self._limits.lock_tries + 1):
            try:
                with (
                    self._file.limited(self._limits.statement_timeout_s, self._watcher(position, obj)),
                    self._file.transaction(),
                ):
                    return work()
            except errors.LockNotAvailable as e:
                self._back_off(obj, attempt, begun, e)
            except errors.StatementCancelled:
                if self._interrupts.presses > 1:
                    raise errors.Aborted("cancelled by hand", remedy="run it again to go on, or roll back") from None
                raise
            except errors.StatementFailed as e:
                e.remedy = e.remedy or MEND
                raise
        raise AssertionError("the last attempt ends it")

    def _back_off(self, obj: str, attempt: int, begun: float, error: errors.LockNotAvailable) -> None:
        who = lock.who_has_open(self._file.path) or "a process that this user can't see"
        waited = time.monotonic() - begun
        if attempt == self._limits.lock_tries or waited > self._limits.wait_budget_s:
            raise errors.Aborted(
                f"{obj}: {self._file.path.name} is being written by others; no lock in {attempt} tries and "
                f"{waited:.1f} s; open in: {who}",
                remedy="run it again when the file is less busy, or end the other writer",
            ) from None
        pause = min(0.1 * 2**attempt, _BACKOFF_LIMIT_S) * random.uniform(0.5, 1)  # noqa: S311
        self._observer.event(
            "retry", object=obj, reason=f"{error.message}; open in {who}", attempt=attempt, pause_s=pause
        )
        end = time.monotonic() + pause
        while time.monotonic() < end:
            self._between()
            time.sleep(0.05)

    def _between(self) -> None:
        if self._interrupts.presses:
            raise errors.Aborted("stopped by hand between two changes", remedy="run it again to go on, or roll back")

    def _watcher(self, position: int, obj: str) -> Callable[[], bool]:
        """What is called while a statement runs: tells that it goes on, and ends it when somebody asked twice."""
        begun = told = time.monotonic()

        def tick() -> bool:
            nonlocal told
            now = time.monotonic()
            if now - told > _TELL_EVERY_S:
                told = now
                self._observer.progress(Progress(position, self._count, obj, "building", None, now - begun))
            return self._interrupts.presses > 1

        return tick

    def _tell(self, event: str, done: Done) -> None:
        told = {n: getattr(done, n) for n in ("position", "kind", "object", "outcome", "seconds", "waited", "detail")}
        self._observer.event(event, **told)


def busy_ms(limits: Limits) -> int:
    """How long a statement waits for the file's lock before it is tried again."""
    return limits.lock_timeout_ms or BUSY_MS


def _done(step: Step, outcome: str, seconds: float = 0.0, detail: str = "") -> Done:
    return Done(step.position, step.kind, step.object, outcome, round(seconds, 3), 0.0, detail)


def _row(step: Step, status: str, captured: Mapping[str, Any], *, owned: bool) -> StepRow:
    change: Change = step.change
    return StepRow(
        position=step.position,
        kind=change.kind,
        object=change.object,
        relation=change.relation,
        resolved_sql=change.resolved_sql(),
        options=change.options.model_dump(),
        status=status,
        owned=owned,
        captured=dict(captured),
        detail="",
        started_at=None,
        finished_at=None,
    )
