"""The monitor without a person and without a notebook: every few minutes for a year, so it leaves little behind."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pgrunbook import db, errors, plan, runbook, stages
from pgrunbook.evidence import journal
from pgrunbook.findings import EXIT_STATUS, Verdict
from pgrunbook.stages import STAGES
from pgrunbook.stages._base import Parameters, finding_json, run_folder

_JOURNAL_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class MonitorOutcome:
    """A monitor's end. `run_id` is the run that is watched, `snapshot` says which one was taken."""

    runbook: str
    target: str
    run_id: str
    verdict: Verdict
    snapshot: str
    findings: list[dict[str, Any]]
    evidence: str

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """The monitor as `--json` prints it."""
        return asdict(self) | {"verdict": self.verdict.value}

    def line(self) -> str:
        """The whole in one line, for a log."""
        failed = [f for f in self.findings if f["verdict"] == Verdict.FAILED.value and f["gates"]]
        amiss = " | ".join(_told(f) for f in failed) or "no regression"
        words = f"monitor {self.runbook} on {self.target}: {self.verdict.value}; snapshot {self.snapshot}; {amiss}"
        return " ".join(words.split())


def _told(finding: dict[str, Any]) -> str:
    detail = f" ({finding['detail']})" if finding["detail"] else ""
    return f"{finding['check']} {finding['object']}: {finding['measured']}{detail}"


def monitor(common: Parameters) -> MonitorOutcome:
    """Look at what became of a run, `run_id` or the newest that is applied.

    All looks at a target share one folder beside those of the runs, whose journal is kept short.
    """
    root = runbook.project_root()
    about = runbook.load(root, common.runbook)
    target = db.parse_target(common.target)
    with db.connect(target, database=about.name, application_name=f"pgrunbook {about.name} monitor") as session:
        own = _folder_name(common.target, plan.identify(session).key)
    folder = run_folder(root, common, own)
    _shorten(folder / journal.NAME)
    stage = STAGES["monitor"]
    given = common.model_dump() | {"run_id": own, "of_run": common.run_id}
    opened = stages.open_stage("monitor", stage.parameters(**given))
    try:
        verdict = stage.run(opened).verdict
    except errors.CheckFailed:
        verdict = Verdict.FAILED
    taken = next(f for f in opened.findings if f.check == "snapshot")
    return MonitorOutcome(
        about.name,
        target.name,
        taken.object,
        verdict,
        taken.measured,
        [finding_json(f) for f in opened.findings if f is not taken],
        os.path.relpath(folder, root),
    )


def _folder_name(target: str, identity: tuple[str, str]) -> str:
    """A folder for the looks at one database, by the target's name and what tells databases of one name apart.

    >>> _folder_name("env:PROD", ("7123", "shop"))
    'monitor-env-PROD-97670bf0'
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", target)[:40]
    return f"monitor-{name}-{hashlib.sha256(':'.join(identity).encode()).hexdigest()[:8]}"


def _shorten(path: Path) -> None:
    """The last megabyte of a monitor's journal is kept, and the one before it; its snapshots are in the ledger."""
    if path.exists() and path.stat().st_size > _JOURNAL_BYTES:
        path.replace(path.with_name(f"before.{journal.NAME}"))
