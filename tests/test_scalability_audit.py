"""scalability_audit through all stages on the sandbox, small: what it shows, what its checks see, and that nothing is left."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import nbformat
import papermill
import psycopg
import pytest

from conftest import REPOSITORY
from fix_harness import TABLES
from pgrunbook import db, rehearsal, runbook, sandbox, stages
from pgrunbook.findings import Verdict
from pgrunbook.measure import probe
from pgrunbook.stages import StageResult

NAME = "scalability_audit"
FORWARD = ("10_baseline", "20_migrate", "30_verify", "40_checklist", "90_rollback")

COVERAGE = """
create or replace function hourly_coverage(org_id uuid, from_day date, to_day date, tz text default 'UTC',
    as_of timestamptz default now()) returns table (hour integer, agent_minutes numeric, average_agents numeric)
language sql stable
as $$ select c.hour, c.agent_minutes, {average} from hourly_coverage_by_iteration(org_id, from_day, to_day, {tz}, as_of) c $$
"""
OTHER_CONDITION = """
drop index idx_call_logs_reconnect_token;
create index idx_call_logs_reconnect_token on call_logs (reconnect_token) where status = 'completed'
"""
TRIGGER = """
create function pg_temp.wrong() returns trigger language plpgsql as $$ begin {does}; end $$;
create trigger wrong before {when} execute function pg_temp.wrong()
"""

# what goes wrong in the migrated database, and the check that has to see it
WRONG = (
    ("coverage_same", COVERAGE.format(average="c.average_agents + (c.hour = 9)::integer", tz="tz")),
    ("coverage_same", COVERAGE.format(average="c.average_agents", tz="'UTC'")),
    ("coverage_72000", "delete from agent_sessions s using organizations o where o.id = s.organization_id and o.slug = 'org-2'"),
    ("index_count", "create index one_more on users (email)"),
    ("index_count", "drop index idx_mrr_changes_churn"),
    ("documented_indexes", "drop index idx_agent_sessions_active; create index idx_agent_sessions_active on agent_sessions (agent_id)"),
    ("documented_indexes", "alter index idx_call_logs_page_url rename to x; drop index idx_widget_pageviews_org_date"),
    ("foreign_keys_indexed", "drop index idx_invites_invited_by"),
    ("foreign_keys_indexed", "create index on call_logs (site_id)"),
    ("new_indexes_valid", "update pg_index set indisvalid = false where indexrelid = 'idx_invites_expires_at'::regclass"),
    ("new_indexes_valid", OTHER_CONDITION),
    ("new_indexes_serve", OTHER_CONDITION),
    ("areas_indexed", "drop index idx_call_logs_orphaned"),
    ("areas_indexed", "drop index idx_feedback_items_user_id"),
    ("reconnect", TRIGGER.format(does="new.reconnect_token := old.reconnect_token; return new",
                                 when="update on call_logs for each row when (old.reconnect_token is not null)")),
    ("invite_cleanup", TRIGGER.format(does="return null", when="delete on invites for each row when (old.email = 'probe-expired')")),
    ("archive_in_batches", "create table notes (change_id uuid references agent_status_changes)"),
    ("partitions_by_month", "create table notes (call_id uuid references call_logs)"),
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
def fresh(server: str) -> None:
    """The rehearsal database as it is before the change, on a server on which autovacuum doesn't come."""
    rehearsal.reset(runbook.load(runbook.project_root(), NAME), "0.02")


def run(name: str, evidence: pathlib.Path, run_id: str = "", **parameters: object) -> StageResult:
    """One stage in this process."""
    stage = stages.STAGES[name]
    given = stage.parameters(runbook=NAME, run_id=run_id, evidence_dir=str(evidence), **parameters)
    return stage.run(stages.open_stage(name, given))


@pytest.mark.servers
def test_scalability_audit__passes_and_leaves_schema_and_rows_as_they_were(fresh: None, tmp_path: pathlib.Path) -> None:
    """Both of the report's numbers of iterations hold, the answers stay; after the rollback all is as before."""
    before, data = dump(), rows()
    run_id = run("baseline", tmp_path).run_id
    assert run("migrate", tmp_path, run_id).verdict == "passed"
    assert dump() != before
    verified = run("verify", tmp_path, run_id)
    assert verified.verdict == "passed"
    held = {c.check.removeprefix("claim: "): c.verdict for c in verified.findings if c.check.startswith("claim: ")}
    assert held["iterations_100_sessions"] is held["iterations_10000_sessions"] is Verdict.PASSED
    assert held["coverage_same"] is held["coverage_answers"] is held["index_count"] is Verdict.PASSED
    assert run("checklist", tmp_path, run_id).verdict == "passed"
    back = run("rollback", tmp_path, run_id, scope="all")
    assert back.verdict == "rolled_back"
    assert {c.measured for c in back.findings if c.check == "fingerprint"} == {"equal"}
    assert dump() == before
    assert rows() == data


def test_checks_of_scalability_audit__see_what_is_wrong(fresh: None) -> None:
    """Each fault, made in the migrated database, fails the check that is there for it; without one all of them pass."""
    about = runbook.load(runbook.project_root(), NAME)
    checks = {c.name: c for c in about.checks if c.name != "coverage_10000_sessions"}
    with db.connect(db.parse_target("sandbox"), database=NAME, search_path=["public"]) as database:

        def judge(name: str, *statements: str) -> tuple[str, Verdict]:
            with database.transaction(rollback=True, client_min_messages="warning"):
                for change in about.changes:
                    database.execute(change.written.sql)
                for statement in statements:
                    database.execute(statement)
                found = probe.run(checks[name], database, lambda: database, 30, show_rows=True)
                assert "offending row" in found.claimed
                return found.measured, found.verdict

        assert {name: judge(name) for name in checks} == dict.fromkeys(checks, ("none", Verdict.PASSED))
        judged = [(name, *judge(name, wrong)) for name, wrong in WRONG]
    assert {name for name, _ in WRONG} == set(checks)
    assert [j for j in judged if j[2] is not Verdict.FAILED or "offending row" not in j[1]] == []


@pytest.mark.servers
def test_notebooks_with_scalability_audit__pass_nbval(fresh: None, tmp_path: pathlib.Path) -> None:
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
