"""A model of the application: a real program on a real server, the old way in baseline, the new way in verify."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY
from fix_databases import Place
from fix_faults import until
from fix_project import Project
from pgrunbook import db, errors, runbook
from pgrunbook.findings import Verdict
from pgrunbook.measure import application
from pgrunbook.measure.application import ApplicationResult

pytestmark = pytest.mark.usefixtures("few_statements")

TOML = """
[application]
program = "application/model.py"
"""
CLAIM = """
[[claims]]
id = "fewer"
says = "90 % fewer look-ups"
metric = "application"
of = "statements.look_up"
way = "fewer_percent"
at_least = 90
gates = true
"""
# ten look-ups the old way, one the new way; one statement aside
MODEL = """\
import json, pathlib, sys, time
import psycopg
new = sys.argv[1] == "new"
with psycopg.connect(autocommit=True) as connection:
    for _ in range(1 if new else 10):
        connection.execute("select /* application: look_up */ b from calls where a = %s", [1])
    connection.execute("select 1, /* aside: check */ b from calls where a = %s", [1])
    with connection.transaction(force_rollback=True):
        connection.execute("update /* application: write */ calls set b = 'x' where a = %s", [1])
kinds = [{"kind": "look_up", "count": 10, "p50_ms": 2.5, "p95_ms": None, "errors": 0}]
print(json.dumps({"metrics": {"hours": 2, "hits": 0.5}, "notes": {"time": "compressed"}, "requests": kinds}))
"""
# the same, which keeps its connection for as long as a file is there
HOLDING = MODEL.replace(
    "kinds =",
    """\
    held = pathlib.Path(sys.argv[0]).with_suffix("." + sys.argv[1])
    held.touch()
    while held.exists():
        time.sleep(0.01)
kinds =""",
)


@pytest.fixture
def database(database: Place) -> Place:
    """A database with a small table and the server's statistics, in a schema of their own."""
    database.run(
        "create schema extensions",
        "create extension pg_stat_statements schema extensions",
        "create table calls (a int, b text)",
        "insert into calls select g, g::text from generate_series(1, 20) g",
    )
    return database


def run(place: Place, folder: Path, text: str, way: str = "old", **options: Any) -> ApplicationResult:
    """Run a program one way."""
    (folder / "model.py").write_text(textwrap.dedent(text))
    with place.connect() as watching:
        surroundings = db.environment(watching)
        given = {"timeout_s": 120, **options}
        return application.run(folder / "model.py", way, surroundings, watching, **given)


def failed(place: Place, folder: Path, text: str, **options: float) -> errors.CheckFailed:
    with pytest.raises(errors.CheckFailed) as caught:
        run(place, folder, text, **options)
    return caught.value


# -- what is measured ----------------------------------------------------------------------------------------------


def test_program__is_measured_from_outside(database: Place, tmp_path: Path) -> None:
    """Statements by their marker, by hour and request; those aside and its transactions are left out; connections."""
    looks: Counter[Path] = Counter()

    def let_go(_: str) -> None:
        """At the second look after the last statement, which for certain saw the connection idle."""
        for held in tmp_path.glob("model.[on]*"):
            looks[held] += 1
            if looks[held] > 1:
                held.unlink()

    old, new = (run(database, tmp_path, HOLDING, way, tell=let_go) for way in ("old", "new"))
    assert (old.metrics["statements.look_up"], new.metrics["statements.look_up"]) == (10, 1)
    assert (old.metrics["statements.total"], new.metrics["statements.total"]) == (11, 2)
    assert (old.metrics["statements_per_hour.look_up"], old.metrics["statements_per_request.look_up"]) == (5, 1)
    assert old.metrics["statements.write"] == 1
    assert "statements.check" not in old.metrics
    assert old.metrics["server_ms.total"] > 0
    assert old.metrics["statements.unmarked"] == 0
    assert old.metrics["connections.peak"] == old.metrics["connections.mean"] == 1
    assert old.metrics["connections.busy_mean"] < 1
    assert (old.metrics["hits"], old.metrics["requests.look_up.p50_ms"]) == (0.5, 2.5)
    assert "requests.look_up.p95_ms" not in old.metrics
    assert old.notes == {"time": "compressed"}
    assert old.digest == new.digest
    assert database.run("select count(*) from calls where b = 'x'") == [(0,)]


def test_statements_without_a_marker__are_told(database: Place, tmp_path: Path) -> None:
    """The server keeps the first text of a shape: a statement that it knew before has no marker."""
    with database.session() as session:
        session.execute("select b from calls where a = %s", [1])
    found = run(database, tmp_path, MODEL)
    assert (found.metrics["statements.unmarked"], found.metrics["statements.look_up"]) == (10, 0)


def test_database_without_statistics__says_so(database: Place, tmp_path: Path) -> None:
    """Nothing counted is not the same as nothing sent."""
    database.run("drop extension pg_stat_statements")
    found = run(database, tmp_path, MODEL)
    assert not [name for name in found.metrics if name.startswith("statements")]
    assert "create extension pg_stat_statements" in found.notes["statements"]


def test_statistics_that_are_reset_meanwhile__are_not_relied_on(database: Place, tmp_path: Path) -> None:
    """Neither by a negative count nor by one that is too small."""
    reset = """\
        import json, psycopg
        with psycopg.connect(autocommit=True) as connection:
            oid = connection.execute("select oid from pg_database where datname = current_database()").fetchone()[0]
            connection.execute("select extensions.pg_stat_statements_reset(0, %s, 0)", [oid])
        print("{}")
        """
    run(database, tmp_path, MODEL)
    found = run(database, tmp_path, reset)
    assert "was reset" in found.notes["statements"]
    assert not [name for name in found.metrics if name.startswith("statements")]


# -- a program that does not do it -----------------------------------------------------------------------------------


def test_program_that_fails__is_told_with_its_last_word_and_no_secret(database: Place, tmp_path: Path) -> None:
    """Its traceback's last line, scrubbed, and how to run it by itself."""
    error = failed(database, tmp_path, "raise SystemExit('no: postgresql://me:hunter2@db/x')")
    assert "model.py old ended with status 1: no: " in error.message
    assert "hunter2" not in error.message
    assert "python model.py old" in error.remedy


def test_program_that_prints_without_end__is_ended_soon(database: Place, tmp_path: Path) -> None:
    """Long before its time is over, and before the disk is full; a value that an error quotes is left out."""
    error = failed(database, tmp_path, "import time\nwhile True:\n    print('x' * 100_000)\n    time.sleep(0.001)")
    assert "printed more than" in error.message
    quoting = failed(database, tmp_path, "raise SystemExit('invalid input syntax for type integer: \"a@b.c\"')")
    assert quoting.message.endswith('integer: "…"')


@pytest.mark.parametrize(
    ("prints", "message"),
    [
        ("", "Invalid JSON"),
        ("hello", "Invalid JSON"),
        ('{"metrics": {"a": "1"}}', "metrics.a: Input should be a valid number"),
        ('{"metrics": {"a": NaN}}', "metrics.a"),
        ('{"metrics": {"A b": 1}}', "metrics.A b"),
        ('{"colour": 1}', "colour: Extra inputs are not permitted"),
        ('{"requests": [{"kind": "a", "count": -1}]}', "requests.0.count"),
    ],
)
def test_program_that_prints_something_else__is_refused(prints: str, message: str) -> None:
    """With the place; the document's form is in the remedy."""
    with pytest.raises(errors.CheckFailed) as caught:
        application._printed(Path("model.py"), io.BytesIO(prints.encode()))
    assert "model.py printed something else: " in caught.value.message
    assert message in caught.value.message
    assert "let it print one JSON document" in caught.value.remedy


def test_program_that_tells_what_the_server_counts__is_refused() -> None:
    """A model may not measure itself where somebody else can."""
    with pytest.raises(errors.CheckFailed, match=r"tells statements\.total, which is measured from outside"):
        application._printed(Path("model.py"), io.BytesIO(b'{"metrics": {"statements.total": 1}}'))


def test_program_that_does_not_end__is_ended(database: Place, tmp_path: Path) -> None:
    """Its sessions go with it."""
    text = "import psycopg\npsycopg.connect().execute('select pg_sleep(600)')"
    started = time.monotonic()
    error = failed(database, tmp_path, text, timeout_s=1.5)
    assert "did not end within 1.5 s" in error.message
    assert time.monotonic() - started < 120
    left = "select count(*) from pg_stat_activity where query like '%sleep(600)' and pid <> pg_backend_pid()"
    until(lambda: database.run(left) == [(0,)])


# -- in the stages ---------------------------------------------------------------------------------------------------


def test_stages__run_the_old_way_then_the_new_and_hold_the_claims(project: Project, database: Place) -> None:
    """One table of both; the connection's password is in no argument and in no file."""
    project.runbook("small", "create index calls_a on calls (a);", TOML + CLAIM, {"application/model.py": MODEL})
    run_id = project.stage("baseline", "small", database.target, production=True).run_id
    project.stage("migrate", "small", database.target, run_id=run_id)
    result = project.stage("verify", "small", database.target, run_id=run_id, production=True)
    folder = project.root / "evidence" / "small" / run_id
    kept = {way: json.loads((folder / f"application_{way}.json").read_text()) for way in ("old", "new")}
    assert [kept[way]["metrics"]["statements.look_up"] for way in ("old", "new")] == [10, 1]
    checks = {c.check: c for c in result.findings}
    assert (checks["claim: fewer"].verdict, checks["claim: fewer"].measured) == (Verdict.PASSED, "90 %")
    assert checks["claim: fewer"].detail == "holds if at least 90 %; 10 → 1"
    assert (checks["application requests"].verdict, checks["application requests"].gates) == (Verdict.PASSED, True)
    assert checks["application errors"].measured == "0 of 10 requests failed"
    assert not list((project.root / "runbooks").rglob("__pycache__"))


def test_another_program_in_verify__fails(project: Project, database: Place) -> None:
    """What the baseline ran is no measure for it."""
    folder = project.runbook("small", "create index calls_a on calls (a);", TOML, {"application/model.py": MODEL})
    run_id = project.stage("baseline", "small", database.target, production=True).run_id
    project.stage("migrate", "small", database.target, run_id=run_id)
    (folder / "application" / "model.py").write_text(MODEL.replace("2.5", "3.5"))
    with pytest.raises(errors.CheckFailed, match="application requests, old and new: another program"):
        project.stage("verify", "small", database.target, run_id=run_id, production=True)


def test_requests_that_fail__fail_the_stage(project: Project, database: Place) -> None:
    """The application is not as good as it was."""
    model = MODEL.replace('"errors": 0', '"errors": 3')
    project.runbook("small", "create index calls_a on calls (a);", TOML, {"application/model.py": model})
    with pytest.raises(errors.CheckFailed, match="application errors, old: 3 of 10 requests failed"):
        project.stage("baseline", "small", database.target, production=True)


def test_target_that_is_not_the_sandbox__is_left_alone(project: Project, database: Place) -> None:
    """Unless somebody says so; the claims are open then."""
    project.runbook("small", "create index calls_a on calls (a);", TOML + CLAIM, {"application/model.py": MODEL})
    run_id = project.forward("small", database.target)
    result = project.stage("verify", "small", database.target, run_id=run_id)
    assert not list((project.root / "evidence" / "small" / run_id).glob("application_*"))
    (claim,) = [c for c in result.findings if c.check == "claim: fewer"]
    assert (claim.verdict, claim.detail) == (Verdict.NOT_MEASURABLE, "nothing told statements.look_up, the old way")


# -- the runbook's file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "files", "message"),
    [
        (TOML, {}, "application.program: application/model.py is missing"),
        (TOML.replace("application/", "../"), {}, "'../model.py' is no Python file in the runbook's folder"),
        (TOML.replace(".py", ".sh"), {}, "'application/model.sh' is no Python file in the runbook's folder"),
        (TOML, {"application/model.py": "x = 1\ny = = 2\n"}, "application/model.py:2: is no Python: invalid syntax"),
        (CLAIM, {}, "claims.0.metric: there is no [application] that could be measured"),
        (TOML + CLAIM.replace("of =", "query ="), {"application/model.py": ""}, "application needs `of`"),
    ],
)
def test_wrong_application__is_told_with_its_place(
    project: Project, toml: str, files: dict[str, str], message: str
) -> None:
    """Before anything is tried."""
    project.runbook("small", "create index calls_a on calls (a);", toml, files)
    with pytest.raises(errors.InvalidRunbook) as caught:
        runbook.load(project.root, "small")
    assert message in caught.value.message


# -- the caches of voxanne_priority6 ---------------------------------------------------------------------------------


def test_caches_of_the_model__are_never_older_than_an_invalidation(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer under way at a write is not kept; readers share a query; after its lifetime a value is read again."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "runbooks" / "voxanne_priority6" / "application"))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    caches = importlib.import_module("caches")
    value, asked, slow = [("old",)], 0, asyncio.Event()

    async def read(_: object) -> list[tuple[str]]:
        nonlocal asked
        asked += 1
        answer = value
        await slow.wait()
        return answer

    async def tried() -> None:
        nonlocal value
        clock = caches.Clock()
        cache = caches.Cache(read, 60, clock)
        first, second = (asyncio.ensure_future(cache.get("a")) for _ in range(2))
        await asyncio.sleep(0.01)
        value = [("new",)]
        cache.invalidate("a")
        third = asyncio.ensure_future(cache.get("a"))
        slow.set()
        assert [await first, await second, await third] == [[("old",)], [("old",)], [("new",)]]
        assert (asked, await cache.get("a"), asked) == (2, [("new",)], 2)
        clock.now = 61
        assert (await cache.get("a"), asked) == ([("new",)], 3)
        plain = caches.PlainCache(read, 60, clock)
        slow.clear()
        fourth = asyncio.ensure_future(plain.get("a"))
        await asyncio.sleep(0.01)
        value = [("newer",)]
        plain.invalidate("a")
        slow.set()
        await fourth
        assert await plain.get("a") == [("new",)]  # the document's own code: stale

    asyncio.run(tried())
