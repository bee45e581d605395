"""A project in a temporary folder, with runbooks written by the test."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from conftest import REPOSITORY
from pgrunbook import stages
from pgrunbook.stages import StageResult


@dataclass(frozen=True)
class Project:
    """A root with runbooks/ of its own and the repository's notebooks/."""

    root: pathlib.Path

    def runbook(self, name: str, migrate: str, toml: str = "", files: Mapping[str, str] | None = None) -> pathlib.Path:
        """Write a runbook; `toml` is added to a title, `files` are further ones by path."""
        folder = self.root / "runbooks" / name
        given = {
            "runbook.toml": 'title = "a test"\n' + textwrap.dedent(toml),
            "migrate.sql": textwrap.dedent(migrate),
            **{path: textwrap.dedent(text) for path, text in (files or {}).items()},
        }
        for path, text in given.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    def stage(self, name: str, runbook: str, target: str, **parameters: object) -> StageResult:
        """Run a stage in this process; raises what it raises."""
        stage = stages.STAGES[name]
        return stage.run(stages.open_stage(name, stage.parameters(runbook=runbook, target=target, **parameters)))

    def forward(self, runbook: str, target: str) -> str:
        """Baseline and migrate; the run's id."""
        run_id = self.stage("baseline", runbook, target).run_id
        self.stage("migrate", runbook, target, run_id=run_id)
        return run_id


@pytest.fixture
def project(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; PGRUNBOOK_ROOT leads there for the test."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "notebooks").symlink_to(REPOSITORY / "notebooks")
    monkeypatch.setenv("PGRUNBOOK_ROOT", str(tmp_path))
    return Project(tmp_path)
