"""Carrying out a plan, and undoing what a run did: the only place that runs a change.

Every change is in the ledger before it begins, so that a kill at any point leaves a run that can be taken up or rolled
back. The stage holds the runbook's lock on a session of its own; the two sessions here work and watch (`watch.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from types import TracebackType
from typing import Any, Literal

from pgrunbook import changes, errors
from pgrunbook.backfill import Means, Walker
from pgrunbook.changes import (
    NOTHING_THERE,
    Alone,
    Change,
    Look,
    Observation,
    Phase,
    State,
    Statement,
    Transaction,
    Walk,
)
from pgrunbook.changes._renames import Moved
from pgrunbook.db import Database
from pgrunbook.description import Backfill, Limits
from pgrunbook.ledger import Ledger, StepRow
from pgrunbook.others import Others
from pgrunbook.plan import Plan, Step
from pgrunbook.watch import MEND, Observer, Subject, Watch

_CLEAN_UP_S = 5.0
# duplicate_table (an index or a view too), _column, _object (a policy or a constraint), _function
_MADE_BY_ANOTHER = ("42P07", "42701", "42710", "42723")
_BUILDS_TRIED = 3
HAD_NOT_BEEN_DONE = "had not been done"
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
        backfill: Backfill = Backfill(),  # noqa: B008  it is frozen
    ) -> None:
        self._runbook = runbook
        self.run_id = run_id
        self._limits = limits
        self._observer = observer
        self._backfill = backfill
        self._schema = ledger_schema
        self._watch = Watch(connect, limits, settings, observer)
        self._count = 0

    def __enter__(self) -> Executor:
        self._watch.__enter__()
        self.ledger = Ledger(self._work, self._schema)
        self._others = Others(self._watch, self.ledger, self._runbook, self.run_id, self._limits, self._observer)
        self._means = Means(self._watch, self.ledger, self.run_id, self._observer, self._limits, self._backfill)
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
        self._others.await_orphan(cancel=orphan == "cancel")
        rows = {row.position: row for row in self.ledger.steps(self.run_id)}
        for group in plan.groups():
            self._watch.between()
            for done in self._carry_out(group, rows):
                self._observer.event("change_done", **_as_dict(done))
                yield done
        self.ledger.mark_run(self.run_id, "applied")

    def _carry_out(self, group: Sequence[Step], rows: Mapping[int, StepRow]) -> list[Done]:
        """Carry out steps that are committed together; mostly it is one."""
        started, self._watch.waited = time.monotonic(), 0.0
        done: dict[int, Done] = {}
        todo: list[tuple[Step, Observation]] = []
        for step in group:
            row = rows.get(step.position)
            found = self._outcome(step, "done before") if _made_again(step, rows) else self._found(step, row)
            if isinstance(found, Done):
                done[step.position] = found
            else:
                todo.append((step, found))
        for step, seen in todo:
            change = step.change
            captured = change.foreknown() if change.takes_nothing_over(self._work) else change.capture(self._work)
            row = self._row(step, "started", owned=not step.change.is_check, captured=captured)
            self.ledger.start(self.run_id, row, anew=_all_or_nothing(step.change))
            self._observer.event("change_started", position=step.position, object=step.object, state=seen.state.value)
        for unit in _units(todo):
            self._run(unit)
        for step, seen in todo:
            outcome = "rebuilt" if seen.state is State.INVALID and step.change.is_index else "done"
            seconds = (time.monotonic() - started) / len(todo)
            done[step.position] = Done(step.position, step.kind, step.object, outcome, seconds, self._watch.waited)
        return [done[step.position] for step in group]

    def _found(self, step: Step, row: StepRow | None) -> Done | Observation:
        """What stands there: done already, or where to go on from. Raises `PreflightFailed` for another definition."""
        change = step.change
        if change.is_check:
            return NOTHING_THERE
        seen = change.standing(self._work)
        if seen.state is State.BUILDING:
            self._others.wait_for_rival(step, self._subject(step.position, step.object), seen)
            seen = change.standing(self._work)
        if change.by_ledger and row and row.status == "applied":
            return self._outcome(step, "done before")
        if seen.state is State.PRESENT or (change.by_ledger and self._done_by_another_run(change)):
            return self._found_done(step, row)
        if seen.state is State.DIFFERENT:
            raise errors.PreflightFailed(
                f"{step.object} is there with another definition; {seen.detail}",
                remedy=change.if_different,
            )
        return seen

    def _done_by_another_run(self, change: Change) -> bool:
        """What the plan saw may be out of date: an earlier change of this run makes work for a later one."""
        return bool(self.ledger.run_that_applied(self._runbook, change.resolved_sql()))

    def _run(self, todo: Sequence[tuple[Step, Observation]]) -> None:
        """Run the phases of a change, or of several in one transaction; the last one is committed with the ledger's."""
        step, seen = todo[0]
        phases = step.change.apply(seen)
        if len(todo) > 1:
            every = [p for s, o in todo for p in s.change.apply(o)]
            phases = [Transaction(tuple(statement for p in every for statement in p.statements))]
        positions = [s.position for s, _ in todo]
        try:
            for number, phase in enumerate(phases, 1):
                self._phase(step, phase, positions if number == len(phases) else [])
        except errors.StatementFailed as e:
            if step.change.is_check:
                e.message = f"the check in line {step.change.written.line} of migrate.sql says: {e.message}"
            if e.sqlstate in _MADE_BY_ANOTHER and not step.change.by_ledger and len(todo) == 1:
                row = self._row(step, "already", owned=False, captured={})
                self.ledger.start(self.run_id, row, "made by another session during the run")
                e.remedy = f"another session made it meanwhile, and it is not this run's; {MEND}"
            else:
                self._clear(step)
                rows = step.change.in_the_way(e.sqlstate)
                e.remedy = f"these rows are in the way: {rows}; {MEND}" if rows else e.remedy or MEND
            raise
        except errors.Aborted:
            if self._work.usable:
                self._clear(step)
            raise

    def _phase(self, step: Step, phase: Phase, applied: Sequence[int]) -> None:
        """Run one phase; `applied` are the positions in the ledger that are done with it."""

        def record() -> None:
            for position in applied:
                self.ledger.mark(self.run_id, position, "applied")

        subject = self._subject(step.position, step.object)
        match phase:
            case Transaction():
                self._watch.in_transaction(subject, phase.statements, record)
                return
            case Look():
                self._watch.looking(subject, phase.statement)
            case Walk():
                captured = next(r.captured for r in self.ledger.steps(self.run_id) if r.position == step.position)
                Walker(self._means, subject, phase, captured).walk()
            case Alone():
                self._build(step, phase.statement)
        record()

    @staticmethod
    def _outcome(step: Step, outcome: str, detail: str = "") -> Done:
        return Done(step.position, step.kind, step.object, outcome, 0.0, 0.0, detail)

    def _found_done(self, step: Step, row: StepRow | None) -> Done:
        """A change that needs no work: finished before a kill (ours), or there before the run (not ours)."""
        if row is None or row.status == "undone" or (row.status == "started" and _all_or_nothing(step.change)):
            # what is done in one transaction is marked in it: only what takes several can be done and not marked
            self.ledger.start(self.run_id, self._row(step, "already", owned=False, captured={}))
            return self._outcome(step, "there before", "not this run's: a rollback leaves it")
        if row.status == "started":
            self.ledger.mark(self.run_id, step.position, "applied", "finished by the server after the runner was gone")
            return self._outcome(step, "done", "the server had finished it after the runner was gone")
        return self._outcome(step, "there before" if row.status == "already" else "done before")

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
            self._others.wait_for_foreign_builds(self._subject(step.position, step.object), statement.relation)
            try:
                self._watch.outside_transaction(self._subject(step.position, step.object), statement)
            except errors.StatementFailed as e:
                if e.sqlstate != "40P01" or attempt == _BUILDS_TRIED:
                    raise
                self._clear(step)
                self._observer.event("retry", object=step.object, reason=e.message)
                continue
            return

    def _clear(self, step: Step) -> None:
        """Clear away what a failed change leaves, such as an invalid index: writes pay for it, reads don't use it."""
        seen = step.change.state(self._work)
        row = next((r for r in self.ledger.steps(self.run_id) if r.position == step.position), None)
        phases = step.change.clear(seen, row.captured if row else {})
        subject = self._subject(step.position, step.object)
        for phase in phases:
            try:
                if isinstance(phase, Transaction):
                    self._watch.in_transaction(subject, phase.statements, heed=False)
                for statement in phase.statements if isinstance(phase, Alone) else ():
                    self._watch.outside_transaction(subject, statement, budget_s=_CLEAN_UP_S, heed=False)
            except errors.PgRunbookError as e:
                self._observer.event(
                    "left_over",
                    object=step.object,
                    reason=e.message,
                    remedy=f"{phase.statements[0].sql}; or run it again",
                )
                return
        looks = step.change.by_ledger or step.change.is_check or (row and row.captured.get("partitioned"))
        if not looks and step.change.state(self._work).state is State.ABSENT:
            # what stands there from now on is somebody else's
            self.ledger.mark(self.run_id, step.position, "undone", "it failed, and nothing of it is left")

    # -- back ---------------------------------------------------------------------------------------------

    def undo(self, scope: Scope, acknowledged: frozenset[str]) -> Iterator[Done]:
        """Undo a run's own changes, the last one first. Raises `CheckFailed` before the first, if data would be lost.

        `acknowledged` are the objects (or labels) whose data may go.
        """
        self._others.await_orphan(cancel=True)
        rows = [r for r in self.ledger.steps(self.run_id) if r.open or (r.kept and scope == "all")]
        todo = [(row, self._again(row)) for row in reversed(rows)]
        self._count = len(todo)
        self._refuse_loss(todo, scope, acknowledged)
        self.ledger.mark_run(self.run_id, "rolling_back")
        left = False
        for _, group in groupby(todo, key=lambda t: t[1].together or str(t[0].position)):
            self._watch.between()
            for done in self._undo_group(list(group), scope, acknowledged):
                left |= done.outcome == "left"
                self._observer.event("undo_done", **_as_dict(done))
                yield done
        if not left:
            self.ledger.mark_run(self.run_id, "rolled_back")

    @staticmethod
    def _again(row: StepRow) -> Change:
        return changes.again(row.kind, row.resolved_sql, row.options, row.position).remembering(row.captured)

    @staticmethod
    def _kept(row: StepRow, change: Change, scope: Scope) -> str:
        """Why a change stays; empty when it is to be undone."""
        if scope != "all" and change.options.on_rollback == "keep":
            return "kept on purpose (on_rollback = keep)"
        if scope == "indexes" and not change.is_index:
            return _OUT_OF_SCOPE
        if row.status in ("applied", "kept") and change.irreversible and not change.undo(row.captured):
            return f"can't be undone: {change.irreversible}"
        return ""

    def _refuse_loss(self, todo: list[tuple[StepRow, Change]], scope: Scope, acknowledged: frozenset[str]) -> None:
        losses = []
        for row, change in todo:
            if not self._kept(row, change, scope) and not self._acknowledged(row, change, acknowledged):
                loss = self._as_named_now(row, change, todo).loss(self._work)
                losses += [(loss, change.label)] if loss else []
        if losses:
            raise errors.CheckFailed(
                "rolling back would lose " + "; ".join(loss for loss, _ in losses) + "; nothing was undone",
                remedy=_ACKNOWLEDGE.format(", ".join(label for _, label in losses)),
            )

    @staticmethod
    def _as_named_now(row: StepRow, change: Change, todo: list[tuple[StepRow, Change]]) -> Change:
        """A change whose undo may lose data, with the names that later changes of the run have given its object."""
        if not change.may_lose:
            return change
        sql = row.resolved_sql
        for later, other in reversed(todo):
            if later.position > row.position and isinstance(other, Moved):
                sql = other.carried(sql)
        if sql == row.resolved_sql:
            return change
        return changes.again(row.kind, sql, row.options, row.position).remembering(row.captured)

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

    def _undo_group(
        self, group: Sequence[tuple[StepRow, Change]], scope: Scope, acknowledged: frozenset[str]
    ) -> list[Done]:
        """Undo changes that are undone together; mostly it is one."""
        started, self._watch.waited = time.monotonic(), 0.0
        done: dict[int, Done] = {}
        todo: list[tuple[StepRow, Change]] = []
        for row, change in group:
            if kept := self._kept(row, change, scope):
                done[row.position] = self._keep(row, kept)
            elif change.subject in {c.subject for _, c in todo}:
                todo.append((row, change))  # what stands there is the later one's, which is undone before
            elif nothing := self._nothing_to_undo(row, change):
                done[row.position] = nothing
            else:
                todo.append((row, change))
        phases = _undoing(todo)
        told = {row.position: "" for row, _ in todo}
        for number, phase in enumerate(phases, 1):
            last = list(told) if number == len(phases) else []
            told[todo[0][0].position] += self._undo_phase(todo[0], phase, last, acknowledged)
        if not phases:
            for position in told:
                self.ledger.mark(self.run_id, position, "undone")
        for row, _ in todo:
            leftover = row.captured.get("leftover", "")
            detail = f"an invalid leftover that was there before is not restored: {leftover}" if leftover else ""
            seconds = (time.monotonic() - started) / len(todo)
            detail = detail or told[row.position]
            done[row.position] = Done(row.position, row.kind, row.object, "undone", seconds, self._watch.waited, detail)
        return [done[row.position] for row, _ in group]

    def _nothing_to_undo(self, row: StepRow, change: Change) -> Done | None:
        """What became of a change that was never done, is undone already, or is not this run's any more."""

        def done(outcome: str, detail: str = "") -> Done:
            return Done(row.position, row.kind, row.object, outcome, 0.0, 0.0, detail)

        if row.status == "started" and _all_or_nothing(change):
            self.ledger.mark(self.run_id, row.position, "undone", HAD_NOT_BEEN_DONE)
            return done(HAD_NOT_BEEN_DONE)
        seen = change.since(self._work, row.captured)
        if seen.state is State.BUILDING:
            return done("left", f"another session, pid {seen.pid}, builds it; that one is not this run's")
        if seen.state is State.ABSENT:
            self.ledger.mark(self.run_id, row.position, "undone", "was gone already")
            return done("gone already")
        if seen.state is State.DIFFERENT:
            return done("left", f"somebody changed it since, so it is not this run's any more; {seen.detail}")
        return None

    def _undo_phase(
        self, one: tuple[StepRow, Change], phase: Phase, undone: Sequence[int], acknowledged: frozenset[str]
    ) -> str:
        """Run one phase of an undo; `undone` are the positions that are undone with it. Returns what to tell of it."""
        row, change = one
        subject, told = self._subject(row.position, row.object), ""

        def record() -> None:
            for position in undone:
                self.ledger.mark(self.run_id, position, "undone")

        match phase:
            case Transaction():
                guarded = change.may_lose and not self._acknowledged(row, change, acknowledged)
                guard = (lambda: self._refuse_late_loss(change)) if guarded else None
                self._watch.in_transaction(subject, phase.statements, record, guard=guard)
                return ""
            case Walk():
                told = Walker(self._means, subject, phase, row.captured).walk()
            case Alone() | Look():
                self._watch.outside_transaction(subject, phase.statements[0])
        record()
        return told

    def _subject(self, position: int, obj: str) -> Subject:
        return Subject(position, self._count, obj)


def _undoing(todo: Sequence[tuple[StepRow, Change]]) -> list[Phase]:
    """The way back of changes that were done together, the last one first.

    Several of them may remember the same of one object: once it is there, there is no second way.
    """
    phases: list[Phase] = []
    there: dict[str, str] = {}
    for row, change in todo:
        goal = repr(row.captured.get("before"))
        if there.get(change.subject) != goal and (way := change.undo(row.captured)):
            there[change.subject] = goal
            phases += way
    if len(todo) > 1 and phases:
        return [Transaction(tuple(statement for p in phases for statement in p.statements))]
    return phases


def _units(todo: Sequence[tuple[Step, Observation]]) -> list[Sequence[tuple[Step, Observation]]]:
    """What is run in one go: all of it, unless one has to go on from where more than a transaction is needed."""
    phases = [p for step, seen in todo for p in step.change.apply(seen)]
    if all(isinstance(p, Transaction) for p in phases):
        return [todo] if todo else []
    return [[one] for one in todo]


def _made_again(step: Step, rows: Mapping[int, StepRow]) -> bool:
    """Whether a run that is taken up had dropped it, and begun with what takes its place: that is what stands there."""
    row, later = rows.get(step.position), step.change.later
    if row is None or later is None or row.status != "applied" or not step.kind.startswith("drop_"):
        return False
    return any(
        r.open and r.position > row.position and (r.kind, r.object) == (later.kind, later.object) for r in rows.values()
    )


def _all_or_nothing(change: Change) -> bool:
    """Whether a change is one transaction, so that it is not done at all as long as the ledger does not say so."""
    phases = change.apply(NOTHING_THERE)
    return len(phases) == 1 and isinstance(phases[0], Transaction)


def _as_dict(done: Done) -> dict[str, Any]:
    return asdict(done) | {"seconds": round(done.seconds, 3), "waited": round(done.waited, 3)}
