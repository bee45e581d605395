"""voip_v4 by plain papermill on a server that is not the sandbox: Debian's PostgreSQL 15 through a service."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import REPOSITORY
from fix_project import Project
from fix_servers import PASSWORD, SERVICE, Server
from pgrunbook.evidence import journal

pytestmark = pytest.mark.servers

ITEMS = (
    "outbound_call", "inbound_call", "send_sms", "view_call_history", "view_contact_details", "call_counters",
    "multi_agent_ring",
)  # fmt: skip


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The console script, in this environment."""
    return subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "pgrunbook"), *words],
        check=False, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def papermill(project: Project, stem: str, *parameters: str) -> subprocess.CompletedProcess[str]:
    """One notebook by papermill's own command, as a pipeline calls it."""
    out = project.root / f"{stem}.out.ipynb"
    return subprocess.run(
        [sys.executable, "-m", "papermill", f"notebooks/{stem}.ipynb", str(out), "--no-progress-bar",
         "-p", "runbook", "voip_v4", "-p", "target", SERVICE, *parameters],
        check=False, capture_output=True, text=True, cwd=project.root, env=os.environ, timeout=240,
    )  # fmt: skip


def dump(server: Server) -> str:
    """The schema outside the ledger's, as pg_dump sees it."""
    return server.run(
        "pg_dump", "--schema-only", "--exclude-schema=pgrunbook", "--restrict-key=fixed", f"service={SERVICE}"
    )


@pytest.fixture(scope="module")
def loaded(postgres_15: Server) -> Server:
    """The server with the rehearsal data, loaded by the command; a second load is refused."""
    words = ("sandbox", "load", "voip_v4", "--target", SERVICE, "--scale", "0.02")
    first = command(*words)
    assert first.returncode == 0, first.stderr
    second = command(*words)
    assert second.returncode == 2
    assert "is not empty" in second.stderr
    return postgres_15


@pytest.fixture
def voip(project: Project, loaded: Server) -> Project:
    """A project with the repository's voip_v4."""
    (project.root / "runbooks" / "voip_v4").symlink_to(REPOSITORY / "runbooks" / "voip_v4")
    return project


def test_voip_v4_by_papermill_on_postgresql_15__leaves_the_schema_as_it_was(voip: Project, postgres_15: Server) -> None:
    """Forward, a checklist that waits for people, their signatures, and the whole way back."""
    before = dump(postgres_15)

    missing = papermill(voip, "20_migrate")
    assert missing.returncode != 0
    assert "needs baseline" in missing.stderr
    for stem in ("10_baseline", "20_migrate", "30_verify"):
        done = papermill(voip, stem)
        assert done.returncode == 0, done.stderr[-3000:]
    assert dump(postgres_15) != before

    waiting = papermill(voip, "40_checklist")
    assert waiting.returncode != 0
    assert "waits for a person" in waiting.stderr
    signed = "\n".join(f'[{item}]\nname = "Ann Lee"\nnote = "tried"' for item in ITEMS)
    (voip.root / "signed.toml").write_text(signed)
    done = papermill(voip, "40_checklist", "-p", "signed", "signed.toml", "-y", "production: true")
    assert done.returncode == 0, done.stderr[-3000:]

    done = papermill(voip, "90_rollback", "-p", "scope", "all")
    assert done.returncode == 0, done.stderr[-3000:]
    assert dump(postgres_15) == before
    (folder,) = (voip.root / "evidence" / "voip_v4").iterdir()
    end = journal.last(journal.read(folder / journal.NAME)[0], "stage_finished", "rollback")
    assert end is not None
    assert end["verdict"] == "rolled_back"
    kinds = [c for c in end["findings"] if c["check"] == "fingerprint"]
    assert kinds
    assert all(c["measured"] == "equal" for c in kinds)
    written = "".join(p.read_text() for p in [*folder.rglob("*.json*"), *voip.root.glob("*.ipynb")])
    assert PASSWORD not in written


def test_run_on_a_service__waits_for_signatures_and_takes_the_run_up(
    voip: Project, postgres_15: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` ends 11 with the list of what nobody signed; the same command with signatures finishes that run."""
    monkeypatch.chdir(voip.root)
    first = command("run", "voip_v4", "--target", SERVICE, "--json")
    assert first.returncode == 11, first.stdout + first.stderr
    found = json.loads(first.stdout)
    assert found["verdict"] == "pending"
    signed = json.dumps({item: {"name": "Ann Lee"} for item in ITEMS})
    second = command("run", "voip_v4", "--target", SERVICE, "--json", "--signed", signed)
    assert second.returncode == 0, second.stdout + second.stderr
    assert json.loads(second.stdout)["run_id"] == found["run_id"]
    back = command("rollback", "voip_v4", "--target", SERVICE, "--json", "--scope", "all")
    assert back.returncode == 0, back.stdout + back.stderr
    assert json.loads(back.stdout)["verdict"] == "rolled_back"


def test_a_refused_password__is_one_sentence_and_changes_nothing(voip: Project, postgres_15: Server) -> None:
    """Exit 2; no evidence folder."""
    done = command("run", "voip_v4", "--target", "refused")
    assert done.returncode == 2
    assert "password" in done.stderr
    assert "wrong" not in done.stderr
    assert not (voip.root / "evidence").exists()
