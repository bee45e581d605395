"""Memory of each stage's kernel, at scale 1 and 10."""

from __future__ import annotations

import os

import nbformat
import papermill
import pytest

from pgrunbook import rehearsal, runbook
from pgrunbook.stages import FORWARD, STAGES

LIMIT_MB = 250
SCALES = os.environ.get("PGRUNBOOK_BENCH_SCALES", "1,10").split(",")
PEAK = "import resource; print('peak_kb', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def peak_mb(stem: str, run_id: str) -> float:
    """The most that a stage's kernel ever held, in MB, told by the kernel itself in an added last cell."""
    notebook = nbformat.read(f"notebooks/{stem}.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    nbformat.write(notebook, "memory.ipynb")
    given = {"runbook": "voip_v4", "run_id": run_id, **({"scope": "all"} if stem == "90_rollback" else {})}
    done = papermill.execute_notebook("memory.ipynb", "memory.out.ipynb", given, progress_bar=False)
    return int(done.cells[-1].outputs[0].text.split()[1]) / 1024


@pytest.mark.bench
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("default")
def test_memory_of_a_stages_kernel__does_not_grow_with_the_tables() -> None:
    """Every stage under the limit, and within a tenth at both scales."""
    root = runbook.project_root()
    os.chdir(root)
    about = runbook.load(root, "voip_v4")
    peaks: dict[str, dict[str, float]] = {}
    for scale in SCALES:
        rehearsal.reset(about, rehearsal.scale(scale))
        for name in (*FORWARD, "rollback"):
            peaks.setdefault(name, {})[scale] = peak_mb(STAGES[name].notebook, f"memory-{scale}")
    for name, found in peaks.items():
        print(f"\n{name}: " + ", ".join(f"scale {s}: {mb:.0f} MB" for s, mb in found.items()), end="")
    print(f"\nlimit {LIMIT_MB} MB")
    for found in peaks.values():
        assert max(found.values()) < LIMIT_MB
        assert max(found.values()) <= 1.1 * min(found.values())
