"""One pytest call for tests and notebooks: one throw-away home and one sandbox server for all of them."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from typing import Any

import pytest

pytest_plugins = ["fix_servers", "fix_databases", "fix_project", "fix_faults"]

REPOSITORY = pathlib.Path(__file__).parent.parent
_failed: dict[object, str] = {}
_place: pathlib.Path | None = None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers for whole folders; files, -s and what a marker asks for run alone, so that times can be trusted."""
    folders = any((config.invocation_params.dir / path).is_dir() for path in config.args)
    return 2 if folders and "not bench" in config.option.markexpr and config.option.capture != "no" else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A worker takes all cases of a test, all tests of a kind's case, or all notebooks, which build on each other."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("notebooks/"):
                return "notebooks"
            test, _, case = nodeid.partition("[")
            return case if "/test_every_kind.py" in test and case else test

    return Scheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Kernels inherit the environment, so it is set before anything starts: home, root and a small scale.

    A worker has a home of its own, and so a server, in the place of the process that started it.
    """
    global _place
    worker = getattr(config, "workerinput", {}).get("workerid")
    if "PGRUNBOOK_TEST_PLACE" not in os.environ:
        _place = pathlib.Path(tempfile.mkdtemp(prefix="pgrb-"))
        _place.chmod(0o711)  # as root the server runs as another user, who has to get through
        os.environ["PGRUNBOOK_TEST_PLACE"] = str(_place)
    elif not worker:
        return
    own = pathlib.Path(os.environ["PGRUNBOOK_TEST_PLACE"], worker or "main")
    own.mkdir()
    own.chmod(0o711)
    root = own / "root"
    root.mkdir()
    for name in ("runbooks", "notebooks"):
        (root / name).symlink_to(REPOSITORY / name)
    os.environ |= {
        "PGRUNBOOK_HOME": str(own / "home"),
        "PGRUNBOOK_ROOT": str(root),
        "PGRUNBOOK_SCALE": "0.02",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    os.environ.pop("JUPYTER_PATH", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers that this call and its workers started, and leave nothing behind."""
    if _place is None:
        return
    from fix_servers import stop_all
    from pgrunbook import sandbox

    for home in _place.glob("*/home"):
        os.environ["PGRUNBOOK_HOME"] = str(home)
        sandbox.stop()
    stop_all(_place)
    shutil.rmtree(_place, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Remember the first cell of a notebook that failed."""
    outcome = yield
    if item.path.suffix == ".ipynb" and outcome.get_result().failed:
        _failed.setdefault(item.parent, item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """nbval goes on after a failed cell; the later cells of that notebook fail instead."""
    if item.path.suffix == ".ipynb" and item.parent in _failed:
        pytest.fail(f"{_failed[item.parent]} of this notebook failed before", pytrace=False)
