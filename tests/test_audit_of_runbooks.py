"""What the audit says of the rehearsal databases before their migrations, after them, and of a runbook of its own."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from conftest import REPOSITORY
from pgrunbook import rehearsal, runbook, sandbox, sqlfile, stages
from pgrunbook.cli import main
from pgrunbook.findings import Verdict
from pgrunbook.from_audit import UNSURE

pytestmark = pytest.mark.usefixtures("server")  # on which autovacuum doesn't come


@dataclass(frozen=True)
class Case:
    """A runbook: what the audit has to find before its migration and no more after it, and which indexes nobody reads."""

    name: str
    mended: frozenset[str]
    unread: frozenset[str]


VOIP = Case(
    "voip_v4",
    frozenset(
        {
            "filtered_without_index:public.contacts (phone)",
            "filtered_without_index:public.sms_conversations (contact_phone_number)",
            "fk_without_index:public.contacts (organization_id)",
            "fk_without_index:public.calls (assigned_to)",
        }
    ),
    frozenset({"calls_answered_at_idx", "calls_ended_at_idx"}),
)
BARE = '"Users can view {0} of their organizations"'
CONVERSATIONS = Case(
    "conversations_rls",
    frozenset(
        f"{lint}:public.{table}{policy}"
        for table in ("conversations", "messages")
        for lint, policy in (("policy_function_per_row", ": " + BARE.format(table)), ("policy_missing_command", ""))
    ),
    frozenset({"idx_conversations_org_started"}),
)


def run(name: str, stage: str, evidence: pathlib.Path, run_id: str = "", **parameters: object) -> stages.StageResult:
    """One stage in this process, on the sandbox."""
    kind = stages.STAGES[stage]
    given = kind.parameters(runbook=name, run_id=run_id, evidence_dir=str(evidence), **parameters)
    return kind.run(stages.open_stage(stage, given))


def audited(name: str, evidence: pathlib.Path, **parameters: object) -> tuple[str, dict[str, dict[str, Any]]]:
    """An audit's run and its findings by their ids."""
    result = run(name, "audit", evidence, **parameters)
    assert result.verdict is Verdict.PASSED
    report = json.loads((evidence / name / result.run_id / "audit.json").read_text("utf-8"))
    return result.run_id, {f["id"]: f for f in report["findings"]}


def fresh(name: str, scale: str) -> runbook.Runbook:
    """The rehearsal database as it is before the change."""
    about = runbook.load(runbook.project_root(), name)
    rehearsal.reset(about, scale)
    return about


def grave(findings: dict[str, dict[str, Any]]) -> set[str]:
    """The ids of what is more than noted."""
    return {i for i, f in findings.items() if f["level"] != "noted"}


def unread(findings: dict[str, dict[str, Any]]) -> set[str]:
    """The names of the indexes that nothing reads."""
    return {f["object"].removeprefix("public.") for f in findings.values() if f["lint"] == "index_unused"}


def in_migration(about: runbook.Runbook) -> set[str]:
    """The names of the indexes that a migration makes."""
    statements = sqlfile.split((about.folder / "migrate.sql").read_text("utf-8"))
    return {s.node.idxname for s in statements if s.node_kind == "index_stmt"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(VOIP, id=VOIP.name), pytest.param(CONVERSATIONS, id=CONVERSATIONS.name, marks=pytest.mark.servers)],
)
def test_audit__finds_what_the_migration_mends_and_no_more_after_it(case: Case, tmp_path: pathlib.Path) -> None:
    """At a fiftieth of the size; the migration is run as it is written, for the audit looks at what it leaves alone."""
    about = fresh(case.name, "0.02")
    first, before = audited(case.name, tmp_path)
    assert case.mended <= before.keys()
    with psycopg.connect(sandbox.conninfo(case.name), autocommit=True) as session:
        for statement in sqlfile.split((about.folder / "migrate.sql").read_text("utf-8")):
            session.execute(statement.sql)
        session.execute("analyze")
    _, after = audited(case.name, tmp_path, since=first)
    assert case.mended & grave(after) == set()
    assert case.unread <= unread(after) & in_migration(about)
    assert grave(after) - grave(before) <= {i for i in after if i.startswith(("index_", "query_"))}


@pytest.mark.servers
@pytest.mark.parametrize("case", [VOIP, CONVERSATIONS], ids=lambda case: case.name)
def test_audit_before_and_after_a_run__agree_with_it(case: Case, tmp_path: pathlib.Path) -> None:
    """At a fifth of the size, with what baseline, migrate and verify themselves do between the two audits."""
    about = fresh(case.name, "0.2")
    first, before = audited(case.name, tmp_path, what_if="clone")
    assert case.mended <= before.keys()
    if case is VOIP:
        assert before["filtered_without_index:public.contacts (phone)"]["level"] == "important"
    run_id = run(case.name, "baseline", tmp_path).run_id
    for stage in ("migrate", "verify"):
        assert run(case.name, stage, tmp_path, run_id).verdict is Verdict.PASSED
    _, after = audited(case.name, tmp_path, since=first)
    assert case.mended & grave(after) == set()
    assert unread(after) & in_migration(about)


@pytest.mark.servers
def test_runbook_from_an_audit__mends_what_it_found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written by `pgrunbook new`, planned, carried out, and audited again: of what it took nothing is found any more."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "voip_v4").symlink_to(REPOSITORY / "runbooks" / "voip_v4")
    (tmp_path / "notebooks").symlink_to(REPOSITORY / "notebooks")
    monkeypatch.setenv("PGRUNBOOK_ROOT", str(tmp_path))
    fresh("voip_v4", "0.1")
    first, before = audited("voip_v4", tmp_path / "evidence")
    sure = {i for i in grave(before) if before[i]["sql"] and before[i]["lint"] not in UNSURE}
    assert "fk_without_index:public.contacts (organization_id)" in sure
    for words in (["new", "mended", "--from-audit", first], ["plan", "mended"]):
        done = CliRunner().invoke(main, [*words, "--json"])
        assert done.exit_code == 0, done.output
    fresh("mended", "0.1")
    run_id = run("mended", "baseline", tmp_path / "evidence").run_id
    for stage in ("migrate", "verify"):
        assert run("mended", stage, tmp_path / "evidence", run_id).verdict is Verdict.PASSED
    _, after = audited("mended", tmp_path / "evidence")
    assert sure & after.keys() == set()
    assert run("mended", "rollback", tmp_path / "evidence", run_id).verdict is Verdict.ROLLED_BACK
