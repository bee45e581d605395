"""What stands in a migration's way: sessions that hold on, builds that last as long as a test wants, killed runners."""

from __future__ import annotations

import contextlib
import pathlib
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest

from fix_databases import Place
from fix_project import Project
from pgrunbook.evidence import journal

GATE = 4711
RUNNER = """
import sys
from pgrunbook import errors, stages
name, runbook, target, run_id = sys.argv[1:]
stage = stages.STAGES[name]
try:
    stage.run(stages.open_stage(name, stage.parameters(runbook=runbook, target=target, run_id=run_id)))
except errors.PgRunbookError as error:
    print(type(error).__name__, error)
    sys.exit(error.exit_status)
"""
GATED = """
create function gated(value int) returns int immutable language plpgsql as $$
begin
  while not pg_try_advisory_xact_lock_shared(4711) loop perform pg_sleep(0.01); end loop;
  return value;
end $$
"""
WORKING = (
    "select 1 from pg_stat_activity"
    " where application_name like 'pgrunbook small %work' and datname = current_database()"
)
TABLE = (
    "create table t (id int primary key, a int, b text)",
    "insert into t select i, i % 50, 'b' || i from generate_series(1, 2000) i",
    "create table other as select 1 as x",
    "analyze",
)


def until(met: Callable[[], object], *, seconds: float = 60) -> None:
    """Wait until something is so; a test that waits in vain fails."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextlib.contextmanager
def once(met: Callable[[], object], act: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as something is so, while the test is at what waits for it."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            if met():
                act()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def holding(
    place: Place, *statements: str, application: str = "reporter", snapshot: bool = True
) -> Iterator[psycopg.Connection]:
    """A session with an open transaction; by default it holds a snapshot of another table."""
    with place.session(application_name=application) as session:
        session.execute("begin isolation level repeatable read" if snapshot else "begin")
        for statement in statements or ("select * from other",):
            session.execute(statement)
        yield session
        if not session.closed:
            session.execute("rollback")


@contextlib.contextmanager
def running(place: Place, statement: str, application: str = "psql") -> Iterator[int]:
    """A statement under way in another session, which is gone at the end; yields the backend's pid."""
    with place.session(application_name=application) as session:

        def run() -> None:
            with contextlib.suppress(psycopg.Error):
                session.execute(statement)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield session.info.backend_pid
        finally:
            session.cancel_safe()
            thread.join(30)


def leave_invalid(place: Place, statement: str) -> None:
    """An invalid index, as a concurrent build leaves it that was cancelled while it waited for an old snapshot."""
    waits = (
        "select 1 from pg_stat_progress_create_index"
        " where datname = current_database() and phase = 'waiting for old snapshots'"
    )
    with holding(place), running(place, statement):
        until(lambda: place.run(waits))
    assert invalid_indexes(place)


def invalid_indexes(place: Place) -> list[str]:
    """The indexes that are not valid."""
    rows = place.run("select indexrelid::regclass::text from pg_index where not (indisvalid and indisready) order by 1")
    return [name for (name,) in rows]


def valid(place: Place, index: str) -> bool:
    """Whether an index is there and valid."""
    return place.run(f"select indisvalid and indisready from pg_index where indexrelid = to_regclass('{index}')") == [
        (True,)
    ]


def waiting(place: Place) -> bool:
    """Whether a working session waits for a lock."""
    return bool(place.run(f"{WORKING} and wait_event_type = 'Lock'"))


def building(place: Place) -> bool:
    """Whether a concurrent build reads its table."""
    return bool(
        place.run(
            "select 1 from pg_stat_progress_create_index where datname = current_database()"
            " and command = 'CREATE INDEX CONCURRENTLY' and phase like 'building index%'"
        )
    )


def there(place: Place, relation: str) -> bool:
    """Whether a relation of that name is there at all."""
    return place.run(f"select to_regclass('{relation}') is not null") == [(True,)]


def untouched(place: Place) -> bool:
    """Whether pgrunbook has written nothing: there is no ledger."""
    return place.run("select to_regnamespace('pgrunbook') is null") == [(True,)]


def steps(place: Place, run_id: str) -> list[tuple]:
    """What the ledger says of a run's changes."""
    return place.run(f"select object, status, owned from pgrunbook.step where run_id = '{run_id}' order by position")


def events(project: Project, runbook: str, run_id: str, name: str) -> list[dict]:
    """A run's journalled events of one name."""
    found, _ = journal.read(project.root / "evidence" / runbook / run_id / journal.NAME)
    return [e for e in found if e["event"] == name]


def tells_of(project: Project, run_id: str, word: str) -> bool:
    """Whether the progress of a run of "small" has told of waiting for somebody."""
    return any(word in e["waiting_for"] for e in events(project, "small", run_id, "progress"))


@dataclass
class Gate:
    """While it is closed a build on `gated(…)` does not get past its first row."""

    place: Place
    session: psycopg.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.session = self.place.session(application_name="gate")
        self.session.execute(f"select pg_advisory_lock({GATE})")

    def open(self) -> None:
        self.session.close()

    def stuck(self) -> bool:
        """Whether a build stands before it."""
        return building(self.place)


@pytest.fixture
def gate(database: Place) -> Iterator[Gate]:
    """A closed gate, and the function `gated` for an index's expression."""
    database.run(GATED)
    gate = Gate(database)
    yield gate
    gate.open()


@dataclass
class Runner:
    """A stage in a process of its own."""

    process: subprocess.Popen
    output: pathlib.Path

    def kill(self) -> None:
        """As the out-of-memory killer does."""
        self.process.kill()
        self.process.wait(60)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ended(self) -> tuple[int, str]:
        """Exit status and output."""
        return self.process.wait(60), self.output.read_text()


@pytest.fixture
def launch(project: Project) -> Iterator[Callable[..., Runner]]:
    """Start a stage in a process of its own; whatever is left of it is killed at the end."""
    started: list[Runner] = []

    def start(stage: str, runbook: str, target: str, run_id: str) -> Runner:
        output = project.root / f"runner-{len(started)}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", RUNNER, stage, runbook, target, run_id], stdout=file, stderr=subprocess.STDOUT
            )
        started.append(Runner(process, output))
        return started[-1]

    yield start
    for runner in started:
        runner.kill()
        print(runner.output.read_text())  # pytest shows it where the test failed


@dataclass(frozen=True)
class Role:
    """An ordinary role and the target that connects as it."""

    name: str
    target: str


@pytest.fixture
def role(database: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Role]:
    """A role that owns the schema `app` with a table, and may do nothing else."""
    name = f"r_{secrets.token_hex(4)}"
    variable = f"PGRB_{name.upper()}"
    monkeypatch.setenv(variable, psycopg.conninfo.make_conninfo(database.conninfo, user=name))
    database.run(
        f"create role {name} login",
        f"create schema app authorization {name}",
        "create table app.t (id int primary key, a int)",
        "insert into app.t select i, i % 50 from generate_series(1, 500) i",
        f"alter table app.t owner to {name}",
        "analyze app.t",
    )
    yield Role(name, f"env:{variable}")
    database.run(f"drop owned by {name} cascade", f"drop role {name}")
