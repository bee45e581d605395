"""Other sessions at the same work: a killed runner's, somebody else's build. They are waited for within the budget."""

from __future__ import annotations

import time

from pgrunbook import errors, preflight
from pgrunbook.changes import Observation, State
from pgrunbook.description import Limits
from pgrunbook.ledger import Ledger
from pgrunbook.lock import at_work, holder_of, try_lock
from pgrunbook.plan import Step
from pgrunbook.watch import Observer, Seen, Subject, Watch

_POLL_S = 0.2


class Others:
    """Finds sessions that are at the work of a run, and waits for them. Raises `Aborted` past the budget of waiting."""

    def __init__(
        self, watch: Watch, ledger: Ledger, runbook: str, run_id: str, limits: Limits, observer: Observer
    ) -> None:
        self._watch = watch
        self._ledger = ledger
        self._runbook = runbook
        self._run_id = run_id
        self._limits = limits
        self._observer = observer

    def await_orphan(self, *, cancel: bool) -> None:
        """Make sure that no backend of a killed runner is still at its statement: wait until it is done, or cancel it.

        It is found by the lock that a working session holds, so also while it waits for a table's lock, when no
        catalog or progress view shows what it is about to make.
        """
        name, started, known, waited = at_work(self._runbook), time.monotonic(), 0, 0.0
        pause = _POLL_S / 16
        while not try_lock(self._watch.work, name):
            if orphan := holder_of(self._watch.eyes, name):
                if orphan.pid != known:
                    known = orphan.pid
                    under_way = [r.object for r in self._ledger.steps(self._run_id) if r.status == "started"]
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
                waited += pause if seen.waiting or seen.idle else 0
                if waited > self._limits.wait_budget_s:
                    what = "is idle and not gone" if seen.idle else f"waits for {seen.blockers or 'other sessions'}"
                    end = "pg_terminate_backend" if seen.idle else "pg_cancel_backend"
                    raise errors.Aborted(
                        f"a session of another runner, {orphan}, {what} after {waited:.0f} s",
                        remedy=f"end it: select {end}({known}); then run it again",
                    )
                self._watch.tell(Subject(0, 0, self._runbook), seen, started)
            self._watch.between()
            time.sleep(pause)
            pause = min(pause * 2, _POLL_S)

    def wait_for_rival(self, step: Step, subject: Subject, seen: Observation) -> None:
        """Another session, no runner of this runbook, builds this very index: wait for it within the budget."""
        started, waited = time.monotonic(), 0.0
        self._observer.event("orphan", object=step.object, pid=seen.pid, action="wait")
        while self._is_building(step, seen.pid):
            found = self._watch.look(seen.pid)
            waited += _POLL_S if found.waiting or found.idle else 0
            if waited > self._limits.wait_budget_s:
                raise errors.Aborted(
                    f"{step.object} is being built by another session, pid {seen.pid}, which waited {waited:.0f} s"
                    f" for {found.blockers or 'other sessions'}",
                    remedy="run it again when that build is done, or raise limits.wait_budget_s",
                )
            self._watch.between()
            self._watch.tell(subject, found, started)
            time.sleep(_POLL_S)

    def _is_building(self, step: Step, pid: int) -> bool:
        """Whether a build goes on: its progress ends a moment before it is committed, and it looks left over then."""
        state = step.change.state(self._watch.work).state
        if state is State.INVALID:
            writes = "select backend_xid is not null from pg_catalog.pg_stat_get_activity($1)"
            return bool(self._watch.eyes.value(writes, [pid]))
        return state is State.BUILDING

    def wait_for_foreign_builds(self, subject: Subject, relation: str) -> None:
        """Two concurrent builds on one table deadlock, so another one is waited for, within the budget."""
        started = time.monotonic()
        while found := self._watch.eyes.fetch(
            "running_builds",
            preflight.RunningBuild,
            relations=[relation],
            own_pid=self._watch.work.backend_pid,
        ):
            names = "; ".join(f"pid {b.pid} ({b.application}) builds {b.index}" for b in found)
            self._watch.waited += _POLL_S
            if self._watch.waited > self._limits.wait_budget_s:
                raise errors.Aborted(
                    f"{subject.object} waited {self._watch.waited:.0f} s for another build on {relation}: {names}",
                    remedy="run it again when that build is done, or raise limits.wait_budget_s",
                )
            self._watch.between()
            seen = Seen("waiting for another build", True, False, 0, 0, names, wraparound=False)
            self._watch.tell(subject, seen, started)
            time.sleep(_POLL_S)
