"""One pytest call for tests and notebooks: one throw-away home and one sandbox server for all of them."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

import pytest

pytest_plugins = ["fix_databases", "fix_project", "fix_faults", "fix_servers"]

REPOSITORY = pathlib.Path(__file__).parent.parent
_failed: dict[object, str] = {}
_place: pathlib.Path | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Kernels inherit the environment, so it is set before anything starts: home, root and a small scale."""
    global _place
    if "PGRUNBOOK_TEST_PLACE" in os.environ:
        return
    _place = pathlib.Path(tempfile.mkdtemp(prefix="pgrb-"))
    _place.chmod(0o711)  # as root the server runs as another user, who has to get through
    root = _place / "root"
    root.mkdir()
    for name in ("runbooks", "notebooks"):
        (root / name).symlink_to(REPOSITORY / name)
    os.environ |= {
        "PGRUNBOOK_TEST_PLACE": str(_place),
        "PGRUNBOOK_HOME": str(_place / "home"),
        "PGRUNBOOK_ROOT": str(root),
        "PGRUNBOOK_SCALE": "0.02",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    os.environ.pop("JUPYTER_PATH", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server that this call started, and leave nothing behind."""
    if _place is None:
        return
    from pgrunbook import sandbox

    os.environ["PGRUNBOOK_HOME"] = str(_place / "home")
    sandbox.stop()
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
