"""One fault harness for all kinds of change: a case carried out and taken back, with something going wrong on the way."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from cases import Case
from fix_databases import Place
from pgrunbook import db, errors, fingerprint, plan, runbook, sqlfile
from pgrunbook.db import Database
from pgrunbook.description import Limits
from pgrunbook.execute import Done, Executor
from pgrunbook.ledger import Ledger, ddl
from pgrunbook.lock import hold_lock

LEDGER = "pgrunbook"
NAME = "case"
CALM = Limits(lock_timeout_ms=2000, lock_tries=3, wait_budget_s=10)
IMPATIENT = Limits(lock_timeout_ms=50, lock_tries=1, wait_budget_s=0.2)
SHORT = Limits(lock_timeout_ms=400, lock_tries=1, wait_budget_s=5)
_CONFLICTS = {
    "ACCESS EXCLUSIVE": "access share",
    "SHARE ROW EXCLUSIVE": "row exclusive",
    "SHARE": "row exclusive",
    "SHARE UPDATE EXCLUSIVE": "share update exclusive",
    "ROW EXCLUSIVE": "share",
}
TABLES = """
select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook') order by 1
"""


@dataclass
class Recorder:
    """An observer that keeps what it is told, and calls `fault` with the event of the statement number `at`."""

    at: int = 0
    fault: Callable[[dict[str, Any]], None] = lambda _: None
    statements: list[str] = field(default_factory=list)

    def progress(self, progress: object) -> None: ...

    def event(self, name: str, **data: Any) -> None:
        if name == "statement":
            self.statements.append(data["sql"])
            if self.at in (len(self.statements), -1):
                self.fault(data)


@dataclass(frozen=True)
class Stand:
    """How a database looks: its schema's fingerprint and its rows."""

    schema: dict[str, str]
    data: dict[str, tuple]

    def assert_is(self, other: Stand, what: str) -> None:
        differing = fingerprint.differing(other.schema, self.schema)
        assert not differing, f"{what}: {differing}"
        assert self.data == other.data, f"{what}: rows differ"


class Rig:
    """One case on one database, without notebooks: forward and back as the stages do it."""

    def __init__(self, root: pathlib.Path, place: Place, case: Case, administrator: Place | None = None) -> None:
        self.place = place
        self.case = case
        folder = root / "runbooks" / NAME
        folder.mkdir(parents=True)
        for path, text in {
            "runbook.toml": 'title = "a case"\n' + case.toml,
            "migrate.sql": case.migrate,
            **case.files,
        }.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        (administrator or place).run("select 1", *(_role(name) for name in case.roles))
        if administrator and case.in_database:
            administrator.run(f"grant create on database {place.name} to public")
        place.run("select 1", *case.setup)
        self.runbook = runbook.load(root, NAME)

    def connect(self, purpose: str, settings: Any = None) -> Database:
        return db.connect(
            db.parse_target(self.place.target),
            application_name=f"pgrunbook {NAME} {purpose}",
            search_path=self.runbook.about.search_path,
            settings=settings,
        )

    def forward(self, run_id: str, recorder: Recorder | None = None, limits: Limits = CALM) -> list[Done]:
        """Carry the case out, or take the run up."""
        with self.connect("lock") as lock, self.connect("main") as main:
            hold_lock(lock, NAME, wait_s=30)  # a runner that was killed a moment ago may still have it
            made = plan.make(self.runbook, main)
            ledger = Ledger(main, LEDGER)
            ledger.create()
            row = ledger.run(run_id)
            if row is None:
                ledger.begin(run_id, NAME, made.digest, made.identity.key, made.search_path, {})
            else:
                assert row.digest == made.digest, "a run that is half done keeps its plan"
            with self._executor(run_id, recorder, limits, dict(made.settings)) as executor:
                return list(executor.migrate(made, "wait"))

    def back(self, run_id: str, recorder: Recorder | None = None, limits: Limits = CALM) -> list[Done]:
        """Undo a run, with what the case acknowledges."""
        with self.connect("lock") as lock:
            hold_lock(lock, NAME, wait_s=30)
            acknowledged = frozenset(n.strip() for n in self.case.acknowledge.split(",") if n.strip())
            with self._executor(run_id, recorder, limits, {}) as executor:
                done = list(executor.undo("all", acknowledged))
        assert not [d for d in done if d.outcome == "left"], done
        return done

    def _executor(self, run_id: str, recorder: Recorder | None, limits: Limits, settings: dict[str, str]) -> Executor:
        return Executor(NAME, run_id, self.connect, limits, settings, LEDGER, recorder or Recorder())

    def verify(self) -> None:
        """Every change says that it is done."""
        with self.connect("main") as main:
            made = plan.make(self.runbook, main)
            found = [c for step in made.steps for c in step.change.verify(main)]
        assert found
        wrong = [c for c in found if c.gates and c.verdict != "passed"]
        assert not wrong, wrong

    def stand(self) -> Stand:
        """How the database looks now."""
        try:
            return self._seen_by(self.place.kept())
        except errors.LostConnection:  # the server was stopped since the last look
            self.place.leave()
            return self._seen_by(self.place.kept())

    def _seen_by(self, session: Database) -> Stand:
        tables = [row["name"] for row in session.dicts(TABLES)]
        data = {
            name: tuple(
                session.dicts(
                    f"select count(*), md5(string_agg(t::text, '|' order by t::text collate \"C\")) from {name} t"
                )[0].values()
            )
            for name in tables
        }
        return Stand(fingerprint.objects(session, LEDGER), data)

    # -- faults ---------------------------------------------------------------------------------------------

    def terminate(self, _: dict[str, Any]) -> None:
        """An administrator ends the working backend."""
        self.place.run(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where datname = current_database() and application_name = 'pgrunbook {NAME} work'"
        )

    def busy(self, _: dict[str, Any]) -> None:
        """A second run of the same runbook is turned away."""
        with self.connect("second") as second:
            try:
                hold_lock(second, NAME, wait_s=0)
            except errors.Busy:
                return
        raise AssertionError("a second run got the lock")

    @contextlib.contextmanager
    def blocked(self, *, cancel: bool = False) -> Iterator[Callable[[dict[str, Any]], None]]:
        """A fault: a session that holds a lock in the statement's way, where one can; with `cancel` the wait is ended."""
        over, cancelling = threading.Event(), list[threading.Thread]()
        with self.place.session(application_name="in the way") as session:

            def block(data: dict[str, Any]) -> None:
                mode = _CONFLICTS.get(data["lock"])
                if not mode or not data["relation"]:
                    return
                session.execute("begin")
                try:
                    session.execute(f"lock table {data['relation']} in {mode} mode nowait")
                except psycopg.Error:  # what the run holds itself already can't be taken away from it
                    session.execute("rollback")
                    return
                if cancel:
                    cancelling.append(threading.Thread(target=self._cancel, args=[over], daemon=True))
                    cancelling[-1].start()

            try:
                yield block
            finally:  # a late cancel would hit a statement of whatever comes next
                over.set()
                for thread in cancelling:
                    thread.join()
            session.execute("rollback")

    def _cancel(self, over: threading.Event) -> None:
        """Cancel the run's statement as soon as it waits."""
        waiting = (
            "select count(pg_cancel_backend(pid)) from pg_stat_activity where datname = current_database()"
            f" and application_name = 'pgrunbook {NAME} work' and wait_event_type = 'Lock'"
        )
        with contextlib.suppress(psycopg.Error), self.place.session() as session:
            for _ in range(100):
                if over.is_set() or session.execute(waiting).fetchone() != (0,):
                    return
                time.sleep(0.01)

    def killed(self, work: Callable[[Recorder], object], at: int, delay_s: float) -> bool:
        """Do `work` in a process of its own that is killed (-9) at a statement; whether it was killed in time."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            status = 1
            try:

                def kill(_: dict[str, Any]) -> None:
                    if delay_s:
                        threading.Timer(delay_s, os.kill, [os.getpid(), signal.SIGKILL]).start()
                    else:
                        os.kill(os.getpid(), signal.SIGKILL)

                work(Recorder(at, kill))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the runner failed before it was killed"
        return os.WIFSIGNALED(status)


@contextlib.contextmanager
def as_managed_clouds_give_it(place: Place) -> Iterator[Place]:
    """The same database as a role that owns schema public and nothing else; an administrator made the ledger."""
    name = f"r_{secrets.token_hex(4)}"
    variable = f"PGRB_{name.upper()}"
    admin = [s.sql for s in sqlfile.split(ddl(LEDGER, name))]
    place.run(f"create role {name} login", f"alter schema public owner to {name}", *admin)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, psycopg.conninfo.make_conninfo(place.conninfo, user=name))
        with Place(place.name, f"env:{variable}", os.environ[variable]) as owned:
            yield owned
    place.run("alter schema public owner to current_user", f"drop owned by {name} cascade", f"drop role {name}")


def new_run() -> str:
    return f"run-{secrets.token_hex(4)}"


def _role(name: str) -> str:
    return (
        f"do $$ begin if not exists (select from pg_roles where rolname = '{name}') then create role {name}; end if;"
        " exception when duplicate_object or unique_violation then null; end $$"
    )


@dataclass(frozen=True)
class Course:
    """A case without a fault: how its database looks before and after, and the statements of the way there and back."""

    rig: Rig
    before: Stand
    done: Stand
    there: int
    back: int


def measured(rig: Rig) -> Course:
    """Carry a case out and take it back once. A second run is turned away at each statement."""
    before, run_id, there, back = rig.stand(), new_run(), Recorder(-1, rig.busy), Recorder(-1, rig.busy)
    rig.forward(run_id, there)
    done = rig.stand()
    leaves_nothing = all(s.change.is_check or s.kind == "maintain" for s in _steps(rig))
    assert done != before or leaves_nothing, "nothing was changed"
    rig.verify()
    rig.back(run_id, back)
    rig.stand().assert_is(before, "after the undo")
    return Course(rig, before, done, len(there.statements), len(back.statements))


def round_trip(course: Course) -> None:
    """Once more there; a further run finds nothing to do, and takes nothing back."""
    rig, first, second = course.rig, new_run(), new_run()
    rig.forward(first)
    rig.stand().assert_is(course.done, "applied once more")
    outcomes = {d.outcome for d in rig.forward(second) if d.kind != "check"}
    assert outcomes <= {"there before"}, outcomes
    rig.back(second)
    rig.stand().assert_is(course.done, "undone by a run that did nothing")
    rig.back(first)
    rig.stand().assert_is(course.before, "after the second undo")


def _steps(rig: Rig) -> tuple[plan.Step, ...]:
    with rig.connect("main") as main:
        return plan.make(rig.runbook, main).steps


def after_a_fault(course: Course, run_id: str, what: str, *, resume: bool) -> None:
    """A run that something went wrong with is taken up and undone, or undone as it is."""
    rig = course.rig
    if resume:
        rig.forward(run_id)
        rig.stand().assert_is(course.done, f"{what}: taken up")
    rig.back(run_id)
    rig.stand().assert_is(course.before, f"{what}: undone{' after being taken up' if resume else ''}")
