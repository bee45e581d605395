"""A stage of a runbook with one index on an empty table, against an empty notebook run by papermill."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import nbformat
import papermill
import pytest

from conftest import REPOSITORY
from fix_databases import Place
from fix_project import Project
from pgrunbook.stages import STAGES

ROUNDS = 3
LIMIT_S = 2.0
QUERY = """\
    /*---
    title = "by a"
    [binds]
    absent = "select 1 as a"
    common = "select 2 as a"
    ---*/
    select id from t where a = :'a'::int order by id
"""


def execute(notebook: str, output: Path, parameters: dict[str, object]) -> float:
    """Seconds that papermill takes for a notebook."""
    started = time.perf_counter()
    papermill.execute_notebook(notebook, str(output), parameters, kernel_name="python3", progress_bar=False)
    return time.perf_counter() - started


@pytest.mark.bench
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")
def test_stage_of_one_index_on_an_empty_table__costs_at_most_two_seconds(
    project: Project, database: Place, tmp_path: Path
) -> None:
    """The median over rounds, each stage in turn with the empty notebook."""
    database.run("create table t (id int primary key, a int)", "analyze t")
    project.runbook("tiny", "create index t_a on t (a);", files={"workload/by_a.sql": QUERY})
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("pass")])
    nbformat.write(empty, tmp_path / "empty.ipynb")
    os.chdir(project.root)
    beyond: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        for name, stage in STAGES.items():
            nothing = execute("empty.ipynb", tmp_path / "out.ipynb", {})
            given = {"runbook": "tiny", "target": database.target, "run_id": f"round-{number}"}
            took = execute(str(REPOSITORY / "notebooks" / f"{stage.notebook}.ipynb"), tmp_path / "out.ipynb", given)
            beyond.setdefault(name, []).append(took - nothing)
    medians = {name: statistics.median(values) for name, values in beyond.items()}
    print("\nseconds beyond an empty notebook:", {n: round(v, 2) for n, v in medians.items()}, f"limit {LIMIT_S}")
    assert max(medians.values()) <= LIMIT_S
