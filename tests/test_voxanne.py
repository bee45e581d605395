"""voxanne_priority6 through all stages on the sandbox, small: which rewrites keep their rows, what its checks see, what is left."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Iterator

import nbformat
import papermill
import psycopg
import pytest

from conftest import REPOSITORY
from fix_harness import TABLES
from pgrunbook import db, plan, rehearsal, runbook, sandbox, stages
from pgrunbook.db import Database
from pgrunbook.findings import Verdict
from pgrunbook.measure import probe
from pgrunbook.stages import StageResult

NAME = "voxanne_priority6"
FORWARD = ("10_baseline", "20_migrate", "30_verify", "40_checklist", "90_rollback")
INDEXES = (
    "idx_call_logs_org_phone_created",
    "idx_appointments_org_contact_scheduled",
    "idx_appointments_org_status_scheduled",
    "idx_messages_org_contact_method",
    "idx_services_org_created",
)
# at any scale and on any machine, without the times
HOLD = (
    "dashboard_same_rows", "indexes_created", "written_concurrently", "no_blocked_writes", "zero_downtime", "index_scan",
    "pricing_before", "pricing_reduction_busy", "inbound_before", "settings_fewer", "hits_services_busy", "never_stale",
    "cache_failures", "cache_failures_right", "agents_before", "agents_after", "agents_scale", "queries_reduction",
    "multi_instance", "load_errors", "load_connections", "ten_organisations", "no_breaking_changes", "no_data_changed",
)  # fmt: skip
DO_NOT_HOLD = (
    "dashboard_before", "dashboard_mixed_same_rows", "dashboard_scales", "pricing_after", "inbound_eliminated",
    "never_stale_as_printed", "agents_reduction", "agents_named", "api_contracts",
)  # fmt: skip
TRIGGER = """
create function pg_temp.wrong() returns trigger language plpgsql as $$ begin {does}; end $$;
create trigger wrong before {when} execute function pg_temp.wrong()
"""
WHOLE = """
drop index idx_appointments_org_status_scheduled;
create index idx_appointments_org_status_scheduled on appointments (org_id, status, scheduled_at)
"""
TURNED = """
drop index idx_call_logs_org_phone_created;
create index idx_call_logs_org_phone_created on call_logs (org_id, created_at desc, phone_number)
"""
UNORDERED = """
drop index idx_call_logs_org_phone_created;
create index idx_call_logs_org_phone_created on call_logs (org_id, phone_number)
"""

# what goes wrong in the migrated database, and the check that has to see it
WRONG = (
    ("indexes_listed", "alter index idx_services_org_created rename to services_org_created"),
    ("indexes_listed", "drop index idx_messages_org_contact_method"),
    ("indexes_valid", "update pg_index set indisvalid = false where indexrelid = 'idx_services_org_created'::regclass"),
    ("indexes_valid", WHOLE),
    ("indexes_valid", TURNED),
    ("indexes_serve", UNORDERED),
    ("indexes_serve", "drop index idx_messages_org_contact_method"),
    ("dashboard_pages", TRIGGER.format(does="new.created_at := '1970-01-01'; return new",
                                       when="insert on call_logs for each row when (new.id::text like '00000000%')")),
    ("contact_page", TRIGGER.format(does="new.duration_seconds := 0; return new", when="insert on call_logs for each row")),
    ("book_appointment", TRIGGER.format(does="return null", when="update on appointments for each row")),
    ("message_duplicate", TRIGGER.format(does="new.method := 'email'; return new", when="insert on messages for each row")),
    ("written_then_read", TRIGGER.format(does="return null", when="update on services for each row")),
    ("agents_in_two", TRIGGER.format(does="new.name := 'another'; return new", when="insert on agents for each row")),
    ("ten_organisations", TRIGGER.format(does="return null", when="insert on call_logs for each row")),
)  # fmt: skip


def dump() -> str:
    """The schema outside the ledger's, as pg_dump sees it."""
    command = [*sandbox.command("pg_dump", NAME), "--schema-only", "--exclude-schema=pgrunbook", "--restrict-key=x"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def rows() -> dict[str, list[str]]:
    """The rows of every table, sorted."""
    with psycopg.connect(sandbox.conninfo(NAME)) as session:
        tables = [name for (name,) in session.execute(TABLES)]
        return {t: sorted(row for (row,) in session.execute(f"select t::text from {t} t")) for t in tables}


@pytest.fixture
def about() -> runbook.Runbook:
    """The runbook, validated, and its rehearsal database as it is before the change."""
    found = runbook.load(runbook.project_root(), NAME)
    rehearsal.reset(found, "0.02")
    return found


@pytest.fixture
def database(about: runbook.Runbook) -> Iterator[Database]:
    """A session of the library's on the rehearsal database."""
    with db.connect(db.parse_target("sandbox"), database=NAME, search_path=["public"]) as session:
        yield session


def run(name: str, evidence: pathlib.Path, run_id: str = "", **parameters: object) -> StageResult:
    """One stage in this process."""
    stage = stages.STAGES[name]
    given = stage.parameters(runbook=NAME, run_id=run_id, evidence_dir=str(evidence), **parameters)
    return stage.run(stages.open_stage(name, given))


def test_voxanne__plans_five_concurrent_builds_that_block_no_write(about: runbook.Runbook, database: Database) -> None:
    """The document's five indexes by their names, in its order, each with what undoes it."""
    steps = plan.make(about, database).steps
    assert [s.object for s in steps] == [f"public.{name}" for name in INDEXES]
    assert {s.lock.value for step in steps for phase in step.safe for s in phase.statements} == {
        "SHARE UPDATE EXCLUSIVE"
    }
    assert [step.undo_text for step in steps] == [f"drop index concurrently public.{name};" for name in INDEXES]


@pytest.mark.servers
@pytest.mark.usefixtures("few_statements")
def test_voxanne__passes_says_which_pages_are_wrong_and_leaves_all_as_it_was(
    about: runbook.Runbook, tmp_path: pathlib.Path
) -> None:
    """What does not hold is told and fails nothing; after the rollback schema, fingerprint and rows are those of before."""
    before, data = dump(), rows()
    run_id = run("baseline", tmp_path).run_id
    assert run("migrate", tmp_path, run_id).verdict == "passed"
    assert dump() != before
    verified = run("verify", tmp_path, run_id)
    assert verified.verdict == "passed"

    same = {c.object: c.verdict for c in verified.findings if c.check == "same rows"}
    assert {v for name, v in same.items() if name.startswith("dashboard_page_inbound")} == {Verdict.PASSED}
    mixed = [same[f"dashboard_page_mixed, common {page}"] for page in range(1, 9)]
    assert mixed[:2] == [Verdict.PASSED] * 2
    assert mixed[4:] == [Verdict.FAILED] * 4
    assert (same["agents_batch, common"], same["agents_batch, absent"]) == (Verdict.FAILED, Verdict.PASSED)

    held = {c.check.removeprefix("claim: "): c for c in verified.findings if c.check.startswith("claim: ")}
    assert {c.id for c in about.about.claims} == held.keys()
    assert {name for name in HOLD if held[name].verdict is not Verdict.PASSED} == set()
    assert {name for name in DO_NOT_HOLD if held[name].verdict is not Verdict.FAILED} == set()
    assert held["redis"].verdict is held["select_star"].verdict is Verdict.NOT_MEASURABLE
    assert "page 5 of 20, page 6 of 20, page 7 of 20, page 8 of 20" in held["dashboard_mixed_same_rows"].detail
    assert (held["agents_before"].measured, held["agents_after"].measured) == ("11", "2")
    assert held["agents_reduction"].measured == "81.8 %"

    assert run("checklist", tmp_path, run_id).verdict == "passed"
    back = run("rollback", tmp_path, run_id, scope="all")
    assert back.verdict == "rolled_back"
    assert {c.measured for c in back.findings if c.check == "fingerprint"} == {"equal"}
    assert dump() == before
    assert rows() == data


def test_checks_of_voxanne__see_what_is_wrong(about: runbook.Runbook, database: Database) -> None:
    """Each fault, made in the migrated database, fails the check that is there for it; without one all of them pass."""
    checks = {c.name: c for c in about.checks}

    def judge(name: str, *statements: str) -> tuple[str, Verdict]:
        with database.transaction(rollback=True, client_min_messages="warning"):
            for change in about.changes:  # in a transaction, so plainly
                database.execute(change.written.sql.replace(" CONCURRENTLY", ""))
            for statement in statements:
                database.execute(statement)
            found = probe.run(checks[name], database, lambda: database, 30, show_rows=True)
            assert "offending row" in found.claimed
            return found.measured, found.verdict

    assert {name: judge(name) for name in checks} == dict.fromkeys(checks, ("none", Verdict.PASSED))
    judged = [(name, *judge(name, wrong)) for name, wrong in WRONG]
    assert {name for name, _ in WRONG} == set(checks) - {"mixed_pages_mended"}
    assert [j for j in judged if j[2] is not Verdict.FAILED or "offending row" not in j[1]] == []


def test_mixed_pages__are_wrong_with_the_document_s_limit_in_the_check_that_shows_the_right_one(
    about: runbook.Runbook, database: Database
) -> None:
    """The check passes because of its limit: with twice the page's length the pages from the fifth on are empty."""
    (statement,) = next(c for c in about.checks if c.name == "mixed_pages_mended").statements
    assert database.rows(statement.sql) == []
    found = database.rows(statement.sql.replace("limit p.skipped + 20", "limit 40"))
    pages = {page for page, _, _ in found}
    assert {5, 6, 7, 8} <= pages
    assert not pages & {1, 2}


def test_data_of_voxanne__has_what_the_document_s_numbers_need(about: runbook.Runbook, database: Database) -> None:
    """At any scale: ten agents, a hundred, and more users than the list of a thousand holds."""
    agents = [n for (n,) in database.rows("select count(*) from agents group by org_id")]
    assert agents.count(10) == 1
    assert agents.count(100) == 1
    assert database.value("select count(*) from users") > 1000
    assert database.value("select count(*) from inbound_agent_config") == database.value(
        "select count(*) from organizations"
    )


@pytest.mark.servers
def test_notebooks_with_voxanne__pass_nbval(about: runbook.Runbook, tmp_path: pathlib.Path) -> None:
    """The same notebooks with another parameter; each runs the stages that it lacks."""
    for stem in FORWARD:
        notebook = papermill.iorw.load_notebook_node(str(REPOSITORY / "notebooks" / f"{stem}.ipynb"))
        nbformat.write(
            papermill.parameterize.parameterize_notebook(notebook, {"runbook": NAME}), tmp_path / f"{stem}.ipynb"
        )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-n", "0", "-o", "addopts=", "-p", "no:cacheprovider", tmp_path],
        check=False, capture_output=True, text=True, timeout=250, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
