"""The demo, as a person starts it: the first time with nothing built, and the second time."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest

from conftest import REPOSITORY

FIRST_S, SECOND_S = 90, 60


@pytest.fixture
def fresh() -> Iterator[dict[str, str]]:
    """An environment with a home that holds no sandbox yet."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="pgrb-demo-"))
    home.chmod(0o711)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PGRUNBOOK_")}
    environment |= {"PGRUNBOOK_HOME": str(home / "home"), "PGRUNBOOK_ROOT": str(REPOSITORY)}
    yield environment
    subprocess.run([*_pgrunbook(), "sandbox", "stop"], env=environment, check=True, timeout=90)
    shutil.rmtree(home, ignore_errors=True)


def _pgrunbook() -> list[str]:
    return [str(pathlib.Path(sys.executable).parent / "pgrunbook")]


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_demo__is_done_before_a_person_gets_bored(fresh: dict[str, str], tmp_path: pathlib.Path) -> None:
    """At scale 1, installed: the first one builds the sandbox, the second one finds it."""
    took = []
    for _ in range(2):
        started = time.perf_counter()
        done = subprocess.run(
            [*_pgrunbook(), "demo", "--json", "--evidence", str(tmp_path)],
            env=fresh, check=False, capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        took.append(time.perf_counter() - started)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert json.loads(done.stdout)["verdict"] == "passed"
    print(f"\nfirst {took[0]:.1f} s (limit {FIRST_S}), second {took[1]:.1f} s (limit {SECOND_S})")
    assert took[0] <= FIRST_S
    assert took[1] <= SECOND_S
