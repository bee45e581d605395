"""One pytest call for tests and notebooks: one throw-away home and one sandbox server for all of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
from typing import IO, Any

import psutil
import pytest

pytest_plugins = ["fix_servers", "fix_databases", "fix_project", "fix_faults"]

REPOSITORY = pathlib.Path(__file__).parent.parent
MEMORY = 6 * 2**30  # bytes: two servers write 2 GB of logs each before they write over them
SHARED_MEMORY = pathlib.Path("/dev/shm")  # noqa: S108
LONG = (
    "notebooks/", "tests/test_cli.py", "tests/test_voxanne.py", "tests/test_scalability_audit.py", "tests/test_servers.py",
    "tests/test_monitor_month.py", "tests/test_webhook.py", "tests/test_conversations_rls.py", "tests/test_random_changes.py",
    "tests/test_sqlite.py", "tests/test_faults.py",
)  # fmt: skip
_failed: dict[object, str] = {}
_place: pathlib.Path | None = None
_ours: IO[str]


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
    global _place, _ours
    worker = getattr(config, "workerinput", {}).get("workerid")
    if "PGRUNBOOK_TEST_PLACE" not in os.environ:
        figures = "bench" in config.option.markexpr.replace("not bench", "")  # which are those of a disk
        _place = pathlib.Path(tempfile.mkdtemp(prefix="pgrb-", dir=None if figures else _memory()))
        _place.chmod(0o711)  # as root the server runs as another user, who has to get through
        _ours = (_place / "lock").open("w")
        fcntl.flock(_ours, fcntl.LOCK_EX)
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
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each kernel and each program compiles the library anew
    _keep_ports_apart()


def _keep_ports_apart() -> None:
    """A kernel listens some seconds after its ports were chosen, when another worker may have been given one of them."""
    from jupyter_client.connect import LocalPortCache

    from fix_servers import free_port

    LocalPortCache.find_available_port = lambda self, ip: free_port()


def _memory() -> pathlib.Path | None:
    """A folder in memory: a new database is 300 files, which cost ten times as much on a disk.

    None, for the usual temporary folder, where there is not enough of it. What a killed call left there goes.
    """
    if not os.access(SHARED_MEMORY, os.W_OK) or os.statvfs(SHARED_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    for left in SHARED_MEMORY.glob("pgrb-*"):
        with contextlib.suppress(OSError), (left / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(left)
    free = min(shutil.disk_usage(SHARED_MEMORY).free, psutil.virtual_memory().available)
    return SHARED_MEMORY if free > MEMORY else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers that this call and its workers started, and leave nothing behind."""
    if _place is None:
        return
    from pgrunbook import sandbox

    for home in _place.glob("*/home"):
        os.environ["PGRUNBOOK_HOME"] = str(home)
        sandbox.stop()
    _clear(_place)
    _ours.close()


def _clear(place: pathlib.Path) -> None:
    """Stop what still runs in a place, and remove it."""
    from fix_servers import stop_all

    stop_all(place)
    shutil.rmtree(place, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Remember the first cell of a notebook that failed."""
    outcome = yield
    if item.path.suffix == ".ipynb" and outcome.get_result().failed:
        _failed.setdefault(item.parent, item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """nbval goes on after a failed cell; the later cells of that notebook fail instead.

    What starts the sandbox by itself finds it as all other tests do.
    """
    if item.nodeid.startswith(LONG):
        from fix_servers import calm_sandbox

        calm_sandbox()
    if item.path.suffix == ".ipynb" and item.parent in _failed:
        pytest.fail(f"{_failed[item.parent]} of this notebook failed before", pytrace=False)
