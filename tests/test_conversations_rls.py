"""conversations_rls through all stages on the sandbox, small: what it shows, and that nothing is left of it afterwards."""

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
from pgrunbook import rehearsal, runbook, sandbox, stages
from pgrunbook.stages import StageResult

NAME = "conversations_rls"
FORWARD = ("10_baseline", "20_migrate", "30_verify", "40_checklist", "90_rollback")


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
def fresh() -> None:
    """The rehearsal database as it is before the change."""
    rehearsal.reset(runbook.load(runbook.project_root(), NAME), "0.02")


def run(name: str, evidence: pathlib.Path, run_id: str = "", **parameters: object) -> StageResult:
    """One stage in this process."""
    stage = stages.STAGES[name]
    given = stage.parameters(runbook=NAME, run_id=run_id, evidence_dir=str(evidence), **parameters)
    return stage.run(stages.open_stage(name, given))


@pytest.mark.servers
def test_conversations_rls__passes_and_leaves_schema_and_rows_as_they_were(fresh: None, tmp_path: pathlib.Path) -> None:
    """Claims and visibility in verify; after the rollback schema, fingerprint and sorted data are those of before."""
    before, data = dump(), rows()
    run_id = run("baseline", tmp_path).run_id
    assert run("migrate", tmp_path, run_id).verdict == "passed"
    assert dump() != before
    verified = run("verify", tmp_path, run_id)
    assert verified.verdict == "passed"
    seen = [c for c in verified.findings if c.check == "visibility"]
    assert len(seen) >= 40
    assert {c.verdict for c in seen} == {"passed"}
    assert {c.verdict for c in verified.findings if c.check == "across tenants"} == {"passed"}
    assert run("checklist", tmp_path, run_id).verdict == "passed"
    back = run("rollback", tmp_path, run_id, scope="all")
    assert back.verdict == "rolled_back"
    assert {c.measured for c in back.findings if c.check == "fingerprint"} == {"equal"}
    assert [c.measured for c in back.findings if c.check == "content"] == ["as before"]
    assert dump() == before
    assert rows() == data


@pytest.mark.servers
def test_notebooks_with_conversations_rls__pass_nbval(fresh: None, tmp_path: pathlib.Path) -> None:
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
