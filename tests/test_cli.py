"""The command line as a pipeline sees it: exit status, JSON on stdout and nothing else there, what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from conftest import REPOSITORY
from fix_databases import Place
from fix_faults import events, until, waiting
from fix_forks import fork
from fix_project import Project
from pgrunbook import headless
from pgrunbook.cli import main
from pgrunbook.errors import StatementFailed
from pgrunbook.interrupts import Interrupts

PGRUNBOOK = str(pathlib.Path(sys.executable).parent / "pgrunbook")
WORKLOAD = """\
/*---
title = "by a"
[binds]
common = "select 1 as a"
---*/
select id from t where a = :'a'::int order by id
"""
TOML = """
[[checklist]]
id = "ring"
says = "Make a call"
person = "Ring somebody."
"""


Called = Callable[..., subprocess.CompletedProcess[str]]


def script(*words: str) -> subprocess.CompletedProcess[str]:
    """The console script."""
    return subprocess.run([PGRUNBOOK, *words], check=False, capture_output=True, text=True, timeout=240)


def fast(*words: str) -> subprocess.CompletedProcess[str]:
    """What the console script calls, in a fork: for verbs that run no notebook."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = pathlib.Path(folder, "out"), pathlib.Path(folder, "err")
        process = fork(partial(main, words, prog_name="pgrunbook"), out, err)
        process.join(240)
        assert process.exitcode is not None, words
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def answer(*words: str, status: int = 0, call: Called = script) -> dict:
    """What a verb says as JSON, after a look at its exit status."""
    done = call(*words, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def kernels(pid: int) -> list[psutil.Process]:
    """The kernels of notebooks that a process has started."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):  # it ended while it was looked at
            found += [child] if any("ipykernel" in word for word in child.cmdline()) else []
    return found


@pytest.fixture
def small(project: Project, database: Place) -> Place:
    """A table with some rows and the runbook `small`, which puts an index on it."""
    database.run(
        "create table t (id int primary key, a int)",
        "insert into t select i, i % 50 from generate_series(1, 3000) i",
        "analyze t",
    )
    project.runbook("small", "create index t_a on t (a);", TOML, {"workload/by_a.sql": WORKLOAD})
    return database


def test_demo__passes_with_the_keys_of_the_contract(tmp_path: pathlib.Path) -> None:
    """All stages and the way back, on the sandbox, with evidence where it was asked for."""
    found = answer("demo", "--scale", "0.02", "--evidence", str(tmp_path))
    assert found.keys() == {"run_id", "runbook", "target", "verdict", "stages", "evidence"}
    assert (found["runbook"], found["target"], found["verdict"]) == ("voip_v4", "sandbox", "passed")
    assert [(s["name"], s["verdict"]) for s in found["stages"]] == [
        ("baseline", "passed"), ("migrate", "passed"), ("verify", "passed"), ("checklist", "passed"),
        ("rollback", "rolled_back"),
    ]  # fmt: skip
    for stage in found["stages"]:
        assert stage.keys() == {"name", "verdict", "seconds", "notebook", "findings"}
        assert (tmp_path / "voip_v4" / found["run_id"] / pathlib.Path(stage["notebook"]).name).is_file()
        for check in stage["findings"]:
            assert check.keys() == {"check", "object", "verdict", "claimed", "measured", "gates", "detail"}
    kinds = [c for c in found["stages"][-1]["findings"] if c["check"] == "fingerprint"]
    assert len(kinds) >= 5
    assert all(c["measured"] == "equal" for c in kinds)
    claims = {c["check"] for s in found["stages"] for c in s["findings"] if c["check"].startswith("claim: ")}
    assert len(claims) >= 27
    assert not (tmp_path / "voip_v4" / found["run_id"] / "private").exists()


def test_plan__shows_written_and_safe_form_and_changes_nothing(small: Place) -> None:
    """The keys of the contract; the same digest twice; the script says CONCURRENTLY."""
    first, second = (answer("plan", "small", "--target", small.target, call=fast) for _ in range(2))
    assert first == second
    assert re.fullmatch(r"[0-9a-f]{64}", first["digest"])
    (step,) = first["steps"]
    assert step.keys() >= {"kind", "object", "written", "safe", "lock", "state", "undo", "lint"}
    assert (step["kind"], step["object"], step["state"]) == ("create_index", "public.t_a", "absent")
    assert step["written"] == "create index t_a on t (a)"
    assert "CONCURRENTLY" in step["safe"]
    assert step["undo"] == "drop index concurrently public.t_a;"
    as_sql = script("plan", "small", "--target", small.target, "--sql")
    assert "CREATE INDEX CONCURRENTLY t_a ON public.t" in as_sql.stdout
    assert small.run("select to_regclass('t_a'), to_regnamespace('pgrunbook')") == [(None, None)]


def test_plan_with_another_definition_under_the_name__ends_with_10(small: Place) -> None:
    """Both definitions are shown."""
    small.run("create index t_a on t (id)")
    done = fast("plan", "small", "--target", small.target)
    assert done.returncode == 10
    assert "btree (id)" in done.stdout
    assert "btree (a)" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nobody"), "no runbook 'nobody'"),
        (("run", "small", "--target", "postgresql://me:hunter2@db/x"), "looks like a connection string"),
        (("run", "small", "--target", "host=db password=hunter2"), "looks like a connection string"),
        (("run", "small", "--target", "env:PGRB_NOT_THERE"), "PGRB_NOT_THERE is not set"),
        (("run", "small", "--target", "no_such_service"), "no_such_service"),
        (("run", "small", "--stages", "baseline,dance"), "no stage dance"),
        (("run", "small", "--stages", "migrate,baseline"), "out of order"),
        (("run", "small", "--run-id", "../../x"), "can't name a folder"),
        (("run", "small", "--signed", "no_such.toml"), "no_such.toml can't be read"),
        (("run", "small", "--signed", '{"ring": {"name": "Ann"}}'), "ring: no such item"),
        (("demo", "small", "--scale", "minus"), "no number"),
        (("rollback", "small", "--scope", "some"), "Invalid value"),
        (("dance",), "No such command"),
    ],
)
def test_wrong_usage__is_told_and_ends_with_2(project: Project, words: tuple[str, ...], said: str) -> None:
    """One sentence; no secret repeated; nothing written."""
    project.runbook("small", "create index t_a on t (a);")
    done = fast(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert not (project.root / "evidence").exists()


def test_folder_or_run_that_is_not_there__is_told_before_anything_begins(project: Project, small: Place) -> None:
    """Evidence that can't be written; a rollback of a run that never was leaves no trace of one."""
    target = ("--target", small.target)
    unwritable = answer("run", "small", *target, "--evidence", "/proc/none", status=2, call=fast)
    assert "/proc/none/small/" in unwritable["error"]
    assert "--evidence" in unwritable["remedy"]
    unknown = answer("rollback", "small", *target, "--run-id", "never", status=2, call=fast)
    assert "knows no run never" in unknown["error"]
    assert not (project.root / "evidence").exists()


def test_invalid_runbook__is_told_whole_as_json_too(project: Project) -> None:
    """Every mistake, with file and line."""
    project.runbook("broken", "create index on t (\n);\nvacuum t;", "colour = 1\n[limits]\nrollback_s = 'soon'\n")
    found = answer("show", "broken", status=2, call=fast)
    assert found["verdict"] == "refused"
    assert "runbooks/broken/runbook.toml:2: colour: unknown key" in found["error"]
    assert "runbooks/broken/runbook.toml:4: limits.rollback_s" in found["error"]
    assert "runbooks/broken/migrate.sql:2" in found["error"]


@pytest.mark.servers
def test_run_that_fails__is_rolled_back_only_where_that_was_asked_for(project: Project, small: Place) -> None:
    """10 leaves the index; 20 takes it away."""
    assertion = '/*---\ntitle = "never true"\n---*/\nselect id from t limit 1;\n'
    (project.root / "runbooks/small/checks").mkdir()
    (project.root / "runbooks/small/checks/never.sql").write_text(assertion)
    run_id = project.forward("small", small.target)
    verify = ("run", "small", "--target", small.target, "--stages", "verify", "--run-id", run_id)
    failed = answer(*verify, status=10)
    assert [(s["name"], s["verdict"]) for s in failed["stages"]] == [("verify", "failed")]
    assert small.run("select to_regclass('t_a') is not null") == [(True,)]
    found = answer(*verify, "--on-failure", "rollback", status=20)
    assert found["verdict"] == "rolled_back"
    assert [(s["name"], s["verdict"]) for s in found["stages"]] == [("verify", "failed"), ("rollback", "rolled_back")]
    assert small.run("select to_regclass('t_a')") == [(None,)]


@pytest.mark.servers
def test_killed_kernel__is_aborted_taken_up_waits_for_a_signature_and_is_rolled_back(
    project: Project, small: Place
) -> None:
    """40 whatever papermill's metadata says; then always the same run: 11 with the list of what nobody signed, with the
    signature 0, and the end of a run without the kill; rollback 0, and a second rollback finds nothing."""
    target = ("--target", small.target)
    begun = project.stage("baseline", "small", small.target).run_id
    with small.session() as holder:
        holder.execute("begin isolation level repeatable read")
        holder.execute("select count(*) from t")  # the build waits for this snapshot
        words = (PGRUNBOOK, "run", "small", *target, "--run-id", begun, "--json")
        running = subprocess.Popen(words, stdout=subprocess.PIPE)
        until(lambda: waiting(small), seconds=120)
        busy = _status(target)
        (kernel,) = kernels(running.pid)
        kernel.kill()
        out, _ = running.communicate(timeout=240)
        orphaned = _status(target)
        holder.execute("rollback")
    assert running.returncode == 40, out
    assert (busy["status"], busy["orphan"], orphaned["status"], orphaned["at_work"]) == ("running", "", "running", "")
    assert "pgrunbook small" in busy["at_work"]
    assert "migrate work" in orphaned["orphan"]
    killed = json.loads(out)
    assert killed["verdict"] == "aborted"
    assert "migrate" not in [e["stage"] for e in events(project, "small", begun, "stage_finished")]

    unsigned = answer("run", "small", *target, status=11)
    assert unsigned["run_id"] == killed["run_id"] == begun
    assert unsigned["verdict"] == "pending"
    assert [s["name"] for s in unsigned["stages"]] == ["migrate", "verify", "checklist"]
    pending = [c for c in unsigned["stages"][-1]["findings"] if c["verdict"] == "pending"]
    assert [c["claimed"] for c in pending] == ["Make a call"]
    assert small.run("select indisvalid from pg_index where indexrelid = 't_a'::regclass") == [(True,)]

    signed = answer(
        "run", "small", *target, "--signed", json.dumps({"ring": {"name": "Ann Lee", "note": "rang twice"}})
    )
    assert signed["run_id"] == killed["run_id"]
    assert [s["name"] for s in signed["stages"]] == ["checklist"]
    run = _status(target)
    assert "at_work" not in run
    assert [(s["object"], s["status"], s["owned"]) for s in run["steps"]] == [("public.t_a", "applied", True)]

    assert answer("rollback", "small", *target)["verdict"] == "rolled_back"
    assert "nothing to undo" in answer("rollback", "small", *target, status=2, call=fast)["error"]
    assert small.run("select to_regclass('t_a')") == [(None,)]


def _status(target: tuple[str, ...]) -> dict:
    (run,) = answer("status", "small", *target, call=fast)["runs"]
    return run


def test_status_of_a_run_that_was_cut_off__says_how_to_go_on(project: Project, small: Place) -> None:
    """Nobody is at work on it: what the ledger calls running is not said to run."""
    small.run("insert into t select i, i from generate_series(3001, 3002) i")
    project.runbook("small", "create index t_a on t (a); create unique index t_b on t ((a % 7));")
    with pytest.raises(StatementFailed):
        project.forward("small", small.target)
    said = fast("status", "small", "--target", small.target).stdout
    assert ": running, cut off, begun" in said
    assert "nobody is at work on it" in said
    assert f"pgrunbook run small --target {small.target} --run-id 2" in said
    assert f"pgrunbook rollback small --target {small.target} --run-id 2" in said


def test_interrupt__ends_a_kernel_that_only_starts_and_lets_no_further_stage_begin() -> None:
    """Between two stages it is remembered; what works is not ended by it."""
    with Interrupts() as starting, pytest.raises(KeyboardInterrupt), starting.during(lambda: False):
        os.kill(os.getpid(), signal.SIGINT)
    with Interrupts() as working:
        with working.during(lambda: True):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), working.during(lambda: False):
            raise AssertionError("a further notebook begins")


def _loads(pid: int) -> bool:
    """Whether a run's notebook is at its first cell, which has not imported all of the library yet."""
    return any("psycopg" in pathlib.Path(f"/proc/{kernel.pid}/maps").read_text() for kernel in kernels(pid))


@pytest.mark.servers
@pytest.mark.parametrize("moment", [bool, kernels, _loads], ids=["at once", "its kernel starts", "its kernel loads"])
def test_interrupt_before_the_notebook_is_ready__is_one_sentence(
    project: Project, small: Place, moment: Callable[[int], object]
) -> None:
    """Status 40, what to do, and no traceback of a kernel."""
    words = (PGRUNBOOK, "run", "small", "--target", small.target)
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr
    assert "baseline: begins" in running.stderr.readline()
    until(lambda: moment(running.pid))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=240)
    assert running.returncode == 40, out + err
    assert "baseline: stopped by hand" in out
    assert "remedy: run it again" in out
    assert "Traceback" not in out + err


@pytest.mark.servers
def test_evidence_that_can_not_be_written_any_more__is_one_sentence(project: Project, small: Place) -> None:
    """A full disk: 40, what to do, and no traceback."""
    words = ("bash", "-c", f"ulimit -f 8 && exec {PGRUNBOOK} run small --target {small.target}")
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 40, done.stdout + done.stderr
    assert "10_baseline.ipynb can't be written: File too large" in done.stdout
    assert "remedy: make room there" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_lines_of_a_backfill__are_few() -> None:
    """A log has a line when the phase changes, not whenever its count of rows does."""
    told: list[str] = []
    lines = headless.Lines(told.append)
    for phase in ("1,000 rows, batches of 1,000", "2,500 rows, batches of 900, about 4 s left", "waiting for writers"):
        event = {"event": "progress", "position": 1, "count": 2, "object": "t.a", "fraction": 0.5, "waiting_for": ""}
        lines.event(event | {"phase": phase})
    assert [line.partition("t.a: ")[2].split()[0] for line in told] == ["1,000", "waiting"]


def test_ledger_sql__is_what_psql_takes(database: Place) -> None:
    """The DDL runs as it is printed, for a role and a schema of one's own."""
    database.run("create role ledger_user")
    try:
        text = fast("ledger", "sql", "--role", "ledger_user", "--schema", "Led ger").stdout
        with database.session() as admin:
            admin.execute(text.encode())
        found = database.run("""select has_table_privilege('ledger_user', '"Led ger".step', 'insert')""")
        assert found == [(True,)]
    finally:
        database.run('drop schema if exists "Led ger" cascade', "drop role ledger_user")


def test_list_and_show__tell_of_every_runbook_in_the_repository() -> None:
    """What there is, validated."""
    names = [r["runbook"] for r in json.loads(script("list", "--json").stdout)]
    assert names == sorted(p.parent.name for p in REPOSITORY.glob("runbooks/*/runbook.toml"))
    shown = answer("show", "voip_v4", call=fast)
    assert len(shown["changes"]) == 11
    assert len(shown["checklist"]) == 7


def test_sandbox_psql_and_load__reach_and_refuse() -> None:
    """psql gets to the runbook's database with further arguments; load does not touch the sandbox."""
    done = script("sandbox", "psql", "voip_v4", "-X", "-A", "-t", "-c", "select count(*) > 0 from calls")
    assert (done.returncode, done.stdout.strip()) == (0, "t")
    refused = fast("sandbox", "load", "voip_v4", "--target", "sandbox")
    assert refused.returncode == 2
    assert "reset" in refused.stderr
