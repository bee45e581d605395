"""Index runbooks on SQLite files: all stages, ownership, resume, locks, and what is refused. No server is asked."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import nbformat
import pytest
from click.testing import CliRunner, Result
from nbclient import NotebookClient
from traitlets.config import Config

from conftest import REPOSITORY
from fix_project import Project
from pgrunbook import engines, errors, runbook, stages
from pgrunbook.cli import main
from pgrunbook.db import parse_target
from pgrunbook.sqlite import lock
from pgrunbook.sqlite.execute import Executor

SCHEMA = """
create table activity (id integer primary key, openphone_id text, contact_id integer not null);
create table contact (id integer primary key, phone text, email text);
create table alembic_version (version_num text primary key);
create index idx_old on contact (phone, id);
insert into alembic_version values ('a');
"""
ROWS = """
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000 * :scale)
insert into activity select i, case when i % 3 then 'OP' || i end, i % 50 from n;
insert into contact select id, '+1555' || id, 'a' || id || '@example.org' from activity where id <= 100;
"""
MIGRATE = """
CREATE INDEX idx_openphone ON public.activity (openphone_id) WHERE openphone_id IS NOT NULL;
CREATE INDEX CONCURRENTLY idx_phone_hash ON contact USING hash (phone);
CREATE INDEX idx_flag ON contact (email) WHERE email LIKE 'a%';
DROP INDEX idx_old;
UPDATE alembic_version SET version_num = 'b' WHERE version_num = 'a';
"""
TOML = """
[objects.idx_flag]
sqlite = "create index if not exists idx_flag on contact (email collate nocase)"
[[claims]]
id = "faster"
says = "webhooks are matched faster"
metric = "speedup"
query = "webhook_match"
at_least = 1.2
gates = true
[[claims]]
id = "buffers"
says = "reads less"
metric = "buffers_fewer_percent"
query = "webhook_match"
at_least = 50
[[claims]]
id = "no_orphan"
says = "nothing is lost"
metric = "checks"
checks = ["orphans"]
gates = true
[[claims]]
id = "rows"
says = "no row is lost"
metric = "rows_unchanged"
gates = true
[[checklist]]
id = "calls"
says = "an event can be booked"
probe = "books"
"""
FILES = {
    "rollback.sql": "-- undoes: statement_5\nUPDATE alembic_version SET version_num = 'a' WHERE version_num = 'b';",
    "workload/webhook_match.sql": """\
        /*---
        title = "activities by OpenPhone's id"
        order = "id"
        [binds]
        common = "select openphone_id as event from activity where openphone_id is not null order by id limit 2"
        absent = "select 'nobody' as event"
        ---*/
        select id, contact_id from public.activity where openphone_id = :'event';
        """,
    "workload/by_address.sql": """\
        /*---
        title = "a contact by its address, in words of SQLite's own"
        [binds]
        common = "select email::text as address from contact limit 1"
        [sqlite]
        query = "select id from contact where email = :address collate nocase"
        binds.common = "select upper(email) as address from contact limit 1"
        ---*/
        select id from contact where lower(email) = lower((:'address')::text);
        """,
    "checks/orphans.sql": """\
        /*---
        title = "every activity has a contact"
        sqlite = "select id from activity where contact_id is null"
        ---*/
        select id from activity where contact_id::text is null;
        """,
    "checks/valid.sql": """\
        /*---
        title = "no invalid index"
        ---*/
        select indexrelid from pg_index where not indisvalid;
        """,
    "checks/books.sql": """\
        /*---
        title = "an activity can be booked"
        writes = true
        ---*/
        insert into activity (openphone_id, contact_id) values ('new', 1);
        select 1 where (select count(*) from activity where openphone_id = 'new') <> 1;
        """,
    "sandbox/sqlite.sql": SCHEMA + ROWS,
}


@dataclass(frozen=True)
class Place:
    """A SQLite file and its name as a target."""

    path: pathlib.Path

    @property
    def target(self) -> str:
        return f"sqlite:{self.path.name}"

    def run(self, *statements: str) -> list[tuple]:
        """Run statements; the rows of the last one."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return [connection.execute(s).fetchall() for s in statements][-1]
        finally:
            connection.close()

    def indexes(self) -> list[str]:
        """The names of the application's indexes."""
        query = "select name from sqlite_master where type = 'index' and sql is not null order by 1"
        return [name for (name,) in self.run(query)]


@pytest.fixture
def place(project: Project) -> Place:
    """A small application's file in the project's root; it is nobody's rehearsal."""
    path = project.root / "app.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(SCHEMA)
    for statement in ROWS.strip().split(";\n"):
        connection.execute(statement.rstrip(";"), {"scale": 0.5})
    connection.close()
    return Place(path)


@pytest.fixture
def hooks(project: Project) -> str:
    """The runbook of these tests."""
    project.runbook("hooks", MIGRATE, TOML, FILES)
    return "hooks"


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line, standing in the project's root."""
    monkeypatch.chdir(project.root)
    return lambda *words: CliRunner().invoke(main, list(words))


def findings(result: stages.StageResult, check: str) -> dict[str, str]:
    """What a check measured, by object."""
    return {f.object: f.measured for f in result.findings if f.check == check}


# -- the stages --------------------------------------------------------------------------------------------------


def test_all_stages__carry_it_out_measure_it_and_take_it_back(project: Project, place: Place, hooks: str) -> None:
    """From the baseline to the proof that all is as it was; every part runs, and the evidence names no folder."""
    # so many rows that an index is several times faster on a busy machine as well
    place.run("insert into activity select null, a.id || '-' || b.id, 1 from activity a, activity b where b.id <= 20")
    before = place.indexes()
    dump = place.run("select name, sql from sqlite_master order by 1")
    run_id = project.forward(hooks, place.target)
    assert place.indexes() == ["idx_flag", "idx_openphone", "idx_phone_hash"]
    assert place.run("select sql from sqlite_master where name = 'idx_phone_hash'") == [
        ("CREATE INDEX idx_phone_hash ON contact (phone)",)
    ]
    assert place.run("select version_num from alembic_version") == [("b",)]
    verified = project.stage("verify", hooks, place.target, run_id=run_id)
    plans = findings(verified, "plan")
    assert plans["webhook_match, common 1"].startswith("SCAN activity → SEARCH activity USING INDEX idx_openphone (")
    assert findings(verified, "answer") == {"webhook_match": "as before", "by_address": "as before"}
    assert findings(verified, "index is read")["idx_phone_hash"] == "nobody reads it"
    checks = {f.check: (f.verdict.value, f.detail) for f in verified.findings}
    assert checks["claim: faster"][0] == checks["claim: no_orphan"][0] == checks["claim: rows"][0] == "passed"
    verdict, steps = checks["claim: buffers"]
    assert verdict == "not_measurable"
    assert steps.startswith("on SQLite: SQLite tells no buffers; its virtual machine's steps over all bind values: ")
    assert float(steps.rpartition(", ")[2].removesuffix(" % fewer")) > 90
    assert checks["orphans"][0] == "passed"
    assert checks["valid"][0] == "not_measurable"
    assert "no such table: pg_index" in checks["valid"][1]
    with pytest.raises(errors.Pending):  # nobody's rehearsal: what writes is not run, and a person has to sign
        project.stage("checklist", hooks, place.target, run_id=run_id)
    assert project.stage("checklist", hooks, place.target, run_id=run_id, production=True).verdict.value == "passed"
    back = project.stage("rollback", hooks, place.target, run_id=run_id, production=True)
    assert back.verdict.value == "rolled_back"
    assert set(findings(back, "fingerprint").values()) == {"equal"}
    assert findings(back, "content") == {"3 tables": "as before"}
    assert place.indexes() == before
    ours = [row for row in place.run("select name, sql from sqlite_master order by 1") if "pgrunbook" not in row[0]]
    assert ours == dump
    assert place.run("select version_num from alembic_version") == [("a",)]
    folder = project.root / "evidence" / hooks / run_id
    assert not (folder / "private").exists()
    assert not [f for f in folder.rglob("*") if f.is_file() and str(project.root).encode() in f.read_bytes()]
    assert not list(project.root.glob("*.lock"))


def test_rollback__leaves_what_is_not_the_run_s(project: Project, place: Place, hooks: str) -> None:
    """An index that was there before, and one that somebody has made anew since."""
    place.run('create index IDX_PHONE_HASH on contact("phone" asc)')  # the planned one, in other words
    run_id = project.forward(hooks, place.target)
    assert place.run(f"select status, owned from pgrunbook_step where run_id = '{run_id}' and position = 2") == [
        ("already", 0)
    ]
    place.run("drop index idx_openphone", "create index idx_openphone on activity (contact_id)")
    place.run("drop index idx_flag")
    with pytest.raises(errors.RollbackFailed) as e:
        project.stage("rollback", hooks, place.target, run_id=run_id)
    assert "somebody changed it since" in e.value.message
    assert "DROP INDEX idx_openphone" in e.value.remedy
    assert place.indexes() == ["IDX_PHONE_HASH", "idx_old", "idx_openphone"]
    place.run("drop index idx_openphone")
    back = project.stage("rollback", hooks, place.target, run_id=run_id)
    assert findings(back, "undo") == {"idx_openphone": "gone already"}


def test_rollback_without_the_folder__works_from_the_ledger(project: Project, place: Place, hooks: str) -> None:
    """And keeps what the runbook keeps."""
    project.runbook("kept", "create index i on contact (email); create index j on contact (phone);",
                    '[objects.i]\non_rollback = "keep"\n')  # fmt: skip
    project.forward("kept", place.target)
    (project.root / "evidence").rename(project.root / "gone")
    back = project.stage("rollback", "kept", place.target)
    assert findings(back, "undo") == {"j": "undone", "i": "kept"}
    assert findings(back, "fingerprint")["index"] == "equal"
    assert place.indexes() == ["i", "idx_old"]
    with pytest.raises(errors.MissingForerunner, match="owns anything"):
        project.stage("rollback", "kept", place.target)
    assert findings(project.stage("rollback", "kept", place.target, scope="all"), "undo") == {"i": "undone"}


KILLED = """
import os, sys
from pgrunbook import stages
from pgrunbook.sqlite.ledger import SqliteLedger
start = SqliteLedger.start
def last(self, run_id, step, *a, **k):
    if step.position == 3:
        os._exit(9)  # between the index and its row
    start(self, run_id, step, *a, **k)
SqliteLedger.start = last
stage = stages.STAGES["migrate"]
stage.run(stages.open_stage("migrate", stage.parameters(runbook="hooks", target=sys.argv[1])))
"""


def test_a_killed_run__is_taken_up_where_it_was(project: Project, place: Place, hooks: str) -> None:
    """A change and its row are there together or not at all; the end is that of a run without the kill."""
    run_id = project.stage("baseline", hooks, place.target).run_id
    killed = subprocess.run([sys.executable, "-c", KILLED, place.target], check=False, env=dict(os.environ))
    assert killed.returncode == 9
    assert place.indexes() == ["idx_old", "idx_openphone", "idx_phone_hash"]
    assert place.run("select position, status from pgrunbook_step") == [(1, "applied"), (2, "applied")]
    again = project.stage("migrate", hooks, place.target, run_id=run_id)
    assert findings(again, "change")["idx_openphone"] == "done before"
    assert place.run("select count(*) from pgrunbook_step where status = 'applied' and owned") == [(5,)]
    project.runbook(hooks, MIGRATE + "create index more on contact (id);", TOML, FILES)
    with pytest.raises(errors.WrongUsage, match="began with plan"):
        project.stage("verify", hooks, place.target, run_id=run_id)


# -- the plan ----------------------------------------------------------------------------------------------------


def drawn(project: Project, place: Place, migrate: str, toml: str = "") -> engines.Drawn:
    """The plan of a migration."""
    project.runbook("r", migrate, toml)
    target = parse_target(place.target)
    return engines.of(target).draw(target, runbook.load(project.root, "r"))


def test_plan__holds_definitions_against_each_other_and_not_names(project: Project, place: Place) -> None:
    """Another index under the name stops it; one in other words is there; one dropped and made anew is neither."""
    place.run(
        'CREATE INDEX "same" ON activity(contact_id  ASC) WHERE ("openphone_id" NOTNULL AND contact_id<>3)',
        "create index other on contact (email desc)",
        "create index spelled on contact (lower( EMAIL ))",
    )
    made = drawn(
        project,
        place,
        """
        create index same on activity (contact_id) where openphone_id is not null and contact_id != 3;
        create index other on contact (email);
        create index spelled on contact (lower(email));
        drop index idx_old;
        create index idx_old on contact (id);
        """,
    )
    # NOTNULL is another spelling: what can't be told equal is told different, with both
    assert [s.seen.state.value for s in made.plan.steps] == ["different", "different", "present", "absent", "absent"]
    assert made.plan.steps[1].seen.detail == (
        "planned: CREATE INDEX other ON contact (email); found: CREATE INDEX other on contact (email desc)"
    )
    assert "-- STOP" in made.script
    project.stage("baseline", "r", place.target)
    with pytest.raises(errors.PreflightFailed, match="nothing was written"):
        project.stage("migrate", "r", place.target)
    assert place.run("select count(*) from sqlite_master where name like 'pgrunbook%'") == [(0,)]


def test_an_index_that_is_dropped_and_made_anew__is_both_back(project: Project, place: Place) -> None:
    """The second run finds all of it done; the way back restores the old one to the letter."""
    place.run('create index "Old One" on contact (phone desc, email) where email is not null')
    migrate = 'drop index "Old One"; create unique index "Old One" on contact (email);'
    before = place.run("select sql from sqlite_master where name = 'Old One'")
    project.runbook("r", migrate)
    run_id = project.forward("r", place.target)
    assert [s.seen.state.value for s in drawn(project, place, migrate).plan.steps] == ["present", "present"]
    project.stage("rollback", "r", place.target, run_id=run_id)
    assert place.run("select sql from sqlite_master where name = 'Old One'") == before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("create index i on contact using gin (email)", "SQLite does not take an index of method gin"),
        ("create index i on contact (email) where phone ~ 'x'", "the predicate phone ~ 'x'"),
        ("create unique index i on contact (email) nulls not distinct", "NULLS NOT DISTINCT"),
        ("create index i on contact (nothing)", "column nothing, which the table does not have"),
        ("create index on contact (email)", "the index has no name"),
        ("create index i on nowhere (email)", "has no table nowhere"),
        ("create index i on sales.contact (email)", "schema sales is not in the runbook's search_path"),
        ("drop index sqlite_autoindex_alembic_version_1", "stands behind a constraint"),
        ("alter table contact add column x int", "ALTER TABLE: SQLite targets take index runbooks"),
    ],
)
def test_what_sqlite_can_not_take__is_refused_by_line(
    project: Project, place: Place, statement: str, words: str
) -> None:
    """Before anything was tried, with file and line, and the option that says what to build instead."""
    with pytest.raises(errors.InvalidRunbook) as e:
        drawn(project, place, f"create index fine on contact (email);\n{statement};")
    assert e.value.exit_status == 2
    (line,) = e.value.message.splitlines()[1:]
    assert line.startswith("  runbooks/r/migrate.sql:2: ")
    assert words in line


@pytest.mark.parametrize("instead", ["create index other on contact (id)", "drop table contact", "create index i on c"])
def test_a_wrong_fallback__is_refused(project: Project, place: Place, instead: str) -> None:
    """It is tried on an empty copy of the table, in memory."""
    with pytest.raises(errors.InvalidRunbook, match=r"migrate.sql:1: .*sqlite = "):
        drawn(project, place, "create index i on contact (email)", f'[objects.i]\nsqlite = "{instead}"')
    assert place.run("select count(*) from contact") == [(100,)]


def test_queries_that_sqlite_does_not_take__are_told_all_at_once(project: Project, place: Place) -> None:
    """By file, with what would mend it; nothing is measured."""
    front = '/*---\ntitle = "x"\n---*/\n'
    files = {
        "workload/cast.sql": front + "select id from contact where id = now()::text;",
        "workload/fine.sql": front + "select id from public.contact;",
        "workload/own.sql": '/*---\ntitle = "x"\nsqlite = "select nothing from contact"\n---*/\nselect 1;',
    }
    project.runbook("r", "create index i on contact (email)", "", files)
    with pytest.raises(errors.InvalidRunbook) as e:
        project.stage("baseline", "r", place.target)
    assert [line.split(": ")[0].strip() for line in e.value.message.splitlines()[1:]] == [
        "runbooks/r/workload/cast.sql", "runbooks/r/workload/own.sql"
    ]  # fmt: skip


def test_checks_that_sqlite_does_not_take__fail_where_none_is_left(project: Project, place: Place) -> None:
    """A verification that checks nothing is an error."""
    project.runbook("r", "create index i on contact (email)", "", {"checks/valid.sql": FILES["checks/valid.sql"]})
    run_id = project.forward("r", place.target)
    with pytest.raises(errors.CheckFailed, match="at least one of them"):
        project.stage("verify", "r", place.target, run_id=run_id)


# -- locks -------------------------------------------------------------------------------------------------------


def test_another_run__is_told_who_is_at_work(project: Project, place: Place, hooks: str) -> None:
    """One run at a time on a file, for as long as the process lives."""
    with lock.held(parse_target(place.target), place.path, hooks, "pgrunbook run X migrate"):
        with (
            pytest.raises(errors.Busy, match=rf"pid {os.getpid()} \(pgrunbook run X migrate\) since"),
            lock.held(parse_target(place.target), place.path, hooks, "pgrunbook demo", wait_s=0.1),
        ):
            pass
        assert list(project.root.glob("*.lock"))
    project.stage("baseline", hooks, place.target)


def test_a_writer_in_the_way__is_waited_for_and_named(
    project: Project, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the limits; what was done before stays."""
    monkeypatch.setattr(lock, "_LOOKED_FOR_S", 60)  # on a busy machine all processes take long to look at
    project.runbook("r", "create index i on contact (email)", "[limits]\nlock_timeout_ms = 50\nlock_tries = 2\n")
    run_id = project.stage("baseline", "r", place.target).run_id
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('begin immediate');"
        " print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"held\n"
        with pytest.raises(errors.Aborted, match=rf"open in: .*pid {writer.pid}"):
            project.stage("migrate", "r", place.target, run_id=run_id)
        writer.communicate()
    assert place.indexes() == ["idx_old"]
    project.stage("migrate", "r", place.target, run_id=run_id)
    assert place.indexes() == ["i", "idx_old"]


def test_an_interrupt__stops_after_the_change_at_hand(
    project: Project, place: Place, hooks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on PostgreSQL: once is after this change, and a second run goes on."""
    run_id = project.stage("baseline", hooks, place.target).run_id
    carry_out = Executor._carry_out

    def pressed(self: Executor, *rest: object) -> object:
        self._interrupts.presses = 1
        return carry_out(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Executor, "_carry_out", pressed)
        with pytest.raises(errors.Aborted, match="between two changes"):
            project.stage("migrate", hooks, place.target, run_id=run_id)
    assert place.indexes() == ["idx_old", "idx_openphone"]
    project.stage("migrate", hooks, place.target, run_id=run_id)


# -- the file ----------------------------------------------------------------------------------------------------


def test_a_stage_without_its_forerunner__says_which(project: Project, place: Place, hooks: str) -> None:
    """A file is nobody's sandbox: nothing is run first by itself."""
    with pytest.raises(errors.MissingForerunner, match="migrate needs baseline"):
        project.stage("migrate", hooks, place.target)


def test_another_file_under_the_name__is_not_the_run_s(project: Project, place: Place, hooks: str) -> None:
    """It is told by the id in the ledger; before there is one, by the file itself."""
    run_id = project.stage("baseline", hooks, place.target).run_id
    copy = project.root / "copy.db"
    copy.write_bytes(place.path.read_bytes())
    copy.replace(place.path)
    with pytest.raises(errors.BadTarget, match="another server or name"):
        project.stage("migrate", hooks, place.target, run_id=run_id)
    run_id = project.forward(hooks, place.target)
    copy.write_bytes(place.path.read_bytes())
    copy.replace(place.path)  # a backup that was put back: the ledger came with it
    project.stage("rollback", hooks, place.target, run_id=run_id)


def test_an_absolute_name__is_recorded_from_the_project_s_root(project: Project, place: Place, hooks: str) -> None:
    """No place of this machine gets into the evidence, and both names are one target."""
    result = project.stage("baseline", hooks, f"sqlite:{place.path}")
    journal = (project.root / "evidence" / hooks / result.run_id / "journal.jsonl").read_text()
    assert json.loads(journal.splitlines()[0])["target"] == "sqlite:app.db"
    project.stage("migrate", hooks, place.target)


def test_what_is_no_database__is_refused(project: Project, hooks: str) -> None:
    """With what to do."""
    (project.root / "text.db").write_text("no database at all, but long enough to have a header of its own" * 10)
    with pytest.raises(errors.BadTarget, match="no sound SQLite database"):
        project.stage("baseline", hooks, "sqlite:text.db")
    with pytest.raises(errors.BadTarget, match=r"missing.db is not there"):
        project.stage("baseline", hooks, "sqlite:missing.db")


# -- the command line --------------------------------------------------------------------------------------------


def test_verbs__take_a_file(command: Callable[..., Result], project: Project, place: Place, hooks: str) -> None:
    """plan, its script (for the sqlite3 shell), status, ledger sql; a path is relative to where one stands."""
    found = json.loads(command("plan", hooks, "--target", place.target, "--json").stdout)
    assert [s["state"] for s in found["steps"]] == ["absent"] * 4 + ["unknown"]
    steps = {s["object"]: s for s in found["steps"]}
    assert "partial, as on PostgreSQL" in steps["idx_openphone"]["lint"]
    assert any("B-tree takes its place" in note for note in steps["idx_phone_hash"]["lint"])
    assert steps["idx_flag"]["lint"][0] == "built as runbook.toml says for SQLite"
    assert steps["idx_phone_hash"]["safe"] == "CREATE INDEX idx_phone_hash ON contact (phone);"
    assert steps["idx_phone_hash"]["lock"] == "the whole file, against other writers"
    script = command("plan", hooks, "--target", f"sqlite:{place.path}", "--sql").stdout
    assert f"target {place.target}, plan {found['digest'][:16]}" in script
    place.run(*[s for s in script.partition("\n\n")[2].split(";\n") if s.strip()])
    assert place.indexes() == ["idx_flag", "idx_openphone", "idx_phone_hash"]
    assert "knows no run" in command("status", hooks, "--target", place.target).stdout
    ddl = command("ledger", "sql", "--target", place.target).stdout
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(ddl)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audit",), "there is no audit of a SQLite file"),
        (("load", "hooks"), "there is no load of a SQLite file"),
        (("monitor", "hooks"), "done on PostgreSQL alone"),
        (("run", "hooks", "--stages", "baseline,monitor"), "there is no monitor of a SQLite file"),
        (("sandbox", "load", "hooks"), "done on PostgreSQL alone"),
        (("demo", "hooks"), "never touches sqlite:app.db"),
    ],
)
def test_verbs_that_there_are_not__say_so(
    command: Callable[..., Result], place: Place, hooks: str, words: tuple[str, ...], said: str
) -> None:
    """Exit 2: nothing was tried."""
    found = command(*words, "--target", place.target, "--json")
    assert found.exit_code == 2
    assert said in json.loads(found.stdout)["error"]
    assert place.run("select count(*) from activity") == [(1000,)]


def test_notebooks__run_on_a_rehearsal_file_as_they_are(project: Project, hooks: str) -> None:
    """All five in one kernel, %sql cells included: those that read PostgreSQL's catalog look at the file's instead."""
    rehearse(project, hooks, "10")
    place = Place(project.root / "new.db")
    assert place.run("select count(*) from activity") == [(20000,)]
    cells = ["runbook, target = 'hooks', 'sqlite:new.db'"]
    for stem in ("10_baseline", "20_migrate", "30_verify", "40_checklist", "90_rollback"):
        found = nbformat.read(REPOSITORY / "notebooks" / f"{stem}.ipynb", as_version=4).cells
        cells += [c.source for c in found if c.cell_type == "code" and "parameters" not in c.metadata.get("tags", ())]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    resources = {"metadata": {"path": str(project.root)}}
    # over sockets in a folder: a port that is free now may be another kernel's by the time this one listens there
    with tempfile.TemporaryDirectory() as folder:
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        NotebookClient(made, kernel_name="python3", timeout=240, config=config, resources=resources).execute()
    texts = ["".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs) for cell in made.cells]
    assert [t.split(":")[1].split(",")[0].strip() for c, t in zip(cells, texts, strict=True) if c == "finish(session)"] == [
        "passed", "passed", "passed", "passed", "rolled_back"
    ]  # fmt: skip
    looked = next(t for c, t in zip(cells, texts, strict=True) if "from pg_indexes" in c)
    assert "pg_indexes is PostgreSQL's; of a SQLite file: select tbl_name" in looked
    assert "CREATE INDEX idx_phone_hash ON contact (phone)" in looked
    assert place.indexes() == ["idx_old"]


def rehearse(project: Project, name: str, size: str = "0.5") -> None:
    """Make the rehearsal file of a runbook anew."""
    target = parse_target("sqlite:new.db")
    engines.of(target).rehearse(target, runbook.load(project.root, name), size, lambda _: None)


def test_a_rehearsal__is_made_anew_for_its_own_runbook_alone(project: Project, hooks: str) -> None:
    """Whole or not at all; what the scale is stands in its rows."""
    rehearse(project, hooks)
    rehearse(project, hooks, "1")
    place = Place(project.root / "new.db")
    assert place.run("select count(*) from activity") == [(2000,)]
    project.runbook("other", MIGRATE, "", {"rollback.sql": FILES["rollback.sql"], "sandbox/sqlite.sql": SCHEMA})
    with pytest.raises(errors.WrongUsage, match="never touches"):
        rehearse(project, "other")
    broken = {**FILES, "sandbox/sqlite.sql": SCHEMA + "insert into nowhere values (1);"}
    project.runbook(hooks, MIGRATE, TOML, broken)
    with pytest.raises(errors.InvalidRunbook, match=r"sqlite.sql, statement 6 .insert into nowhere"):
        rehearse(project, hooks)
    assert place.run("select count(*) from activity") == [(2000,)]
    assert [f.name for f in project.root.iterdir() if f.is_file()] == ["new.db"]
