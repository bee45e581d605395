"""The project's own files agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY

NAMED = ("jupyterlab", "papermill", "ipython-sql", "psycopg", "pandas", "nbval", "pytest", "alembic", "hypothesis")
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def bounds(requirement: str) -> tuple[str, str]:
    """A requirement's name and bounds."""
    found = re.fullmatch(r"([A-Za-z0-9-]+)(?:\[[a-z,]+\])?([^;]*)(?:;.*)?", requirement)
    assert found, requirement
    return found[1], found[2].strip()


def test_environment_yml__has_the_bounds_of_pyproject() -> None:
    """conda's way and uv's can't drift apart, and every package of the mission is named."""
    conda = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    here = dict(bounds(d) for d in conda if isinstance(d, str))
    there = dict(bounds(d) for d in [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]])
    wanted = [*NAMED, *(n for n in there if n.startswith("pytest-"))]  # pytest's settings name its plugins
    assert {n: here[n] for n in wanted} == {n: there[n] for n in wanted}
    assert set(here) == {*wanted, "python", "pip"}
    assert here["python"] == PYPROJECT["project"]["requires-python"]
    assert {"pip": ["--editable ."]} in conda


def test_readme__has_the_two_commands_and_ci_runs_the_second() -> None:
    """What the README tells people to type is what is run."""
    readme = (REPOSITORY / "README.md").read_text()
    assert "```\npip install uv && uv run pgrunbook demo\n```" in readme
    assert "```\npip install uv && uv run pytest\n```" in readme
    assert "\npip install uv && uv run pytest\n" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", re.findall(r"tests/bench/\w+\.py", (REPOSITORY / "README.md").read_text()))
def test_readme__names_benches_that_are_there(path: str) -> None:
    """A command beside a figure can be run."""
    assert (REPOSITORY / path).is_file()


def test_every_catalog_file__is_used_and_every_name_resolves() -> None:
    """No orphan among the look-ups, and none missing: names are literals in the code."""
    files = {p.stem for p in (REPOSITORY / "lib/pgrunbook/catalog").glob("*.sql")}
    code = "\n".join(p.read_text() for p in (REPOSITORY / "lib/pgrunbook").rglob("*.py"))
    used = set(re.findall(r"(?:\.fetch|\.one|\.exactly|catalog_sql)\(\s*\"(\w+)\"", code))
    assert used == files


def test_wheel__ships_the_sql_files(tmp_path: Path) -> None:
    """An installed package finds its look-ups."""
    words = ["uv", "build", "--wheel", "-q", "-o", str(tmp_path)]
    for more in (["--offline"], []):  # what installing this project has brought is enough, if it was kept
        done = subprocess.run([*words, *more], cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for path in (p for p in (REPOSITORY / "lib").rglob("*") if p.suffix in (".py", ".sql")):
        assert str(path.relative_to(REPOSITORY / "lib")) in names


def test_no_source_file__is_hidden_by_an_ignore_rule() -> None:
    """What is here is what a clone has."""
    words = ["git", "ls-files", "-o", "-i", "--exclude-standard", "lib", "tests", "notebooks", "runbooks"]
    found = subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split()
    assert [f for f in found if f.endswith((".py", ".sql", ".toml", ".ipynb"))] == []
