"""One statement at a time, bounded and watched: one session works, a second one looks on.

A statement that can't be in a transaction (CONCURRENTLY) runs with `lock_timeout = 0`, while the time it spends
waiting is summed against a budget; anything else that can block traffic runs under a lock_timeout, with retries and
backoff.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any, Protocol

from pgrunbook import errors
from pgrunbook.changes import Statement
from pgrunbook.db import Database, Running
from pgrunbook.description import Limits

# The end of a statement is seen at once; this is how often it is looked at: at first often, so that a blocker is known
# before a short lock_timeout ends the wait, then less, so that the looking costs the build nothing.
_POLL_S, _POLL_LATER_S, _LATER_S = 0.05, 0.2, 1.0
_TELL_EVERY_S = 0.5
_BACKOFF_LIMIT_S = 30.0
_READ_ONLY = {"default_transaction_read_only": "on"}
MEND = "mend the cause, then run it again: done changes are kept, the rest follows"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: the change's object, its position, and how many there are."""

    position: int
    count: int
    object: str


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


class Observer(Protocol):
    """Somebody who is told what happens."""

    def progress(self, progress: Progress) -> None: ...

    def event(self, name: str, **data: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What a backend is at: its phase, how far it is, and who stands in its way."""

    phase: str
    waiting: bool
    idle: bool
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


class Watch:
    """Two sessions on the target, one that works and one that looks on. Use as a context manager.

    `connect` opens a session; it is given an application name's suffix and settings. `waited` sums the seconds that the
    work has spent waiting for other sessions.
    """

    def __init__(
        self,
        connect: Callable[[str, Mapping[str, str]], Database],
        limits: Limits,
        settings: Mapping[str, str],
        observer: Observer,
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._settings = settings
        self._observer = observer
        self._sessions = contextlib.ExitStack()
        self._interrupts_told = 0
        self._told: tuple[Subject | None, float] = (None, 0.0)
        self._held = ""
        self.waited = 0.0

    def __enter__(self) -> Watch:
        try:
            self.work = self._sessions.enter_context(self._connect("work", self._settings))
            self.eyes = self._sessions.enter_context(self._connect("watch", _READ_ONLY))
            self.work.on_notice(lambda text: self._observer.event("server_notice", text=text))
            self._interrupts = self._sessions.enter_context(Interrupts())
            timeout = self.work.value("select setting::int from pg_catalog.pg_settings where name = 'deadlock_timeout'")
            # a shorter one never displaces autovacuum, which yields only after deadlock_timeout
            self.lock_timeout_ms = self._limits.lock_timeout_ms or int(timeout) + 500
        except BaseException:
            self._sessions.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions.__exit__(kind, error, trace)

    def in_transaction(
        self,
        subject: Subject,
        statements: Sequence[Statement],
        record: Callable[[], None] = lambda: None,
        *,
        guard: Callable[[], None] | None = None,
        heed: bool = True,
    ) -> None:
        """Statements and the `record` of them, all or nothing, under lock_timeout, with retries and backoff.

        A `guard` is called when the lock is had, before the first statement.
        """
        first = statements[0]
        for attempt in range(1, self._limits.lock_tries + 1):
            try:
                with self.work.transaction(
                    lock_timeout=f"{self.lock_timeout_ms}ms", statement_timeout=self._statement_timeout()
                ):
                    if guard:
                        lock = f"lock table {first.relation} in access exclusive mode"
                        self._watched(subject, replace(first, sql=lock), budget_s=None)
                        guard()
                    for statement in statements:
                        self._watched(subject, statement, budget_s=None, heed=heed)
                    record()
            except errors.LockNotAvailable as e:
                self.back_off(subject, f"{first.lock} lock on {first.relation}", attempt, self.lock_timeout_ms, e)
                continue
            except errors.StatementFailed as e:
                e.remedy = e.remedy or MEND
                raise
            return

    def back_off(
        self, subject: Subject, lock: str, attempt: int, timeout_ms: int, error: errors.StatementFailed
    ) -> None:
        """Pause after an attempt that did not get its lock, longer each time. Raises `Aborted` after the last."""
        if attempt == 1 or error.remedy:  # a try may be over before anybody has looked who is in its way
            self._held = error.remedy
        if attempt == self._limits.lock_tries:
            raise errors.Aborted(
                f"{subject.object}: no {lock} in {attempt} tries of {timeout_ms} ms; "
                f"{self._held or 'the blocker is not visible'}",
                remedy="run it again when the table is less busy, or end the blocker",
            ) from None
        pause = min(0.1 * 2**attempt, _BACKOFF_LIMIT_S) * random.uniform(0.5, 1)  # noqa: S311
        self._observer.event(
            "retry", object=subject.object, reason=error.remedy or error.message, attempt=attempt, pause_s=pause
        )
        self.pause(pause)

    def outside_transaction(
        self,
        subject: Subject,
        statement: Statement,
        *,
        budget_s: float | None = None,
        heed: bool = True,
    ) -> None:
        """A statement that can't be in a transaction; its waiting is bounded by the watcher."""
        self.work.set("lock_timeout", "0")
        try:
            self._watched(subject, statement, budget_s=budget_s or self._limits.wait_budget_s, heed=heed)
        finally:
            if self.work.usable:
                self.work.set("lock_timeout", f"{self.lock_timeout_ms}ms")

    def looking(self, subject: Subject, statement: Statement) -> None:
        """A statement that only looks: the server refuses any write in its transaction."""
        with self.work.transaction(
            read_only=True, lock_timeout=f"{self.lock_timeout_ms}ms", statement_timeout=self._statement_timeout()
        ):
            self._watched(subject, statement, budget_s=None)

    def _watched(self, subject: Subject, statement: Statement, *, budget_s: float | None, heed: bool = True) -> None:
        """Run a statement and look after it from the second session. Cancels it past the budget of waiting."""
        self._observer.event(
            "statement",
            object=subject.object,
            sql=statement.sql,
            lock=statement.lock.value,
            relation=statement.relation,
        )
        self.follow(subject, statement.sql, budget_s=budget_s, heed=heed)

    def follow(
        self,
        subject: Subject,
        work: str | Callable[[], None],
        *,
        look: Callable[[int], Seen] | None = None,
        since: float | None = None,
        budget_s: float | None = None,
        heed: bool = True,
    ) -> None:
        """Look after a statement or other work of the working session; `look` tells what its backend is at.

        `since` is when the change began that it is a part of (monotonic seconds).
        """
        started = last = time.monotonic()
        before, blockers = self.waited, ""
        look = look or self.look
        running, pid = Running(self.work, work), self.work.backend_pid
        try:
            while not running.wait(_POLL_S if last - started < _LATER_S else _POLL_LATER_S):
                seen = look(pid)
                now = time.monotonic()
                if seen.waiting:
                    self.waited += now - last
                    blockers = seen.blockers or blockers
                last = now
                if seen.wraparound or (budget_s is not None and self.waited - before > budget_s):
                    self._give_up(running, subject.object, seen, self.waited - before, blockers)
                if heed:
                    self._heed_interrupts(running)
                self.tell_now_and_then(subject, seen, since or started)
        except BaseException:
            if not running.wait(0):  # nobody looks after it any more, and the session can't be used until it ends
                self.work.close()
            raise
        try:
            running.result()
        except errors.LockNotAvailable as e:
            e.remedy = f"held by {blockers}" if blockers else ""
            raise

    def _give_up(self, running: Running, obj: str, seen: Seen, waited: float, blockers: str) -> None:
        self._cancel(running)
        reason = "an anti-wraparound vacuum, which does not yield" if seen.wraparound else blockers or "other sessions"
        raise errors.Aborted(
            f"{obj} waited {waited:.1f} s for {reason}; it was cancelled",
            remedy="run it again when they are done, end them, or raise limits.wait_budget_s",
        )

    def look(self, pid: int) -> Seen:
        """What a backend is at. When it has just ended there is nothing to see. A watcher that was lost is replaced."""
        try:
            seen = self.eyes.one("watch", Seen, pid=pid)
        except errors.LostConnection as lost:
            try:
                self.eyes = self._sessions.enter_context(self._connect("watch", _READ_ONLY))
            except errors.BadTarget:
                raise lost from None
            seen = self.eyes.one("watch", Seen, pid=pid)
        return seen or Seen("ending", False, False, 0, 0, "", wraparound=False)

    def _cancel(self, running: Running) -> None:
        while not running.wait(0):
            self.work.cancel()
            running.wait(0.5)
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

    def between(self, what: str = "changes") -> None:
        """Between two changes, or two batches of one: stop here if somebody asked to."""
        self._tell_interrupts()
        if self._interrupts.presses:
            raise errors.Aborted(f"stopped by hand between two {what}", remedy="run it again to go on, or roll back")

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.between()
            time.sleep(0.05)

    def _statement_timeout(self) -> str:
        return f"{int(self._limits.statement_timeout_s * 1000)}ms"

    def tell_now_and_then(self, subject: Subject, seen: Seen, started: float) -> None:
        """As `tell`, but not too often of one subject."""
        told, at = self._told
        if told != subject or time.monotonic() - at > _TELL_EVERY_S:
            self._told = (subject, time.monotonic())
            self.tell(subject, seen, started)

    def tell(self, subject: Subject, seen: Seen, started: float) -> None:
        """Tell the observer how far a statement has got that began at `started` (monotonic seconds)."""
        fraction = min(seen.done / seen.total, 1.0) if seen.total and not seen.waiting else None
        self._observer.progress(
            Progress(
                position=subject.position,
                count=subject.count,
                object=subject.object,
                phase=seen.phase,
                fraction=fraction,
                seconds=time.monotonic() - started,
                waiting_for=seen.blockers if seen.waiting else "",
            )
        )
