"""Connections: the only module that opens one or catches a driver's error.

A target is a name, never a connection string, since parameters are recorded in notebooks. Every session is
explicit about its timeouts, search_path, time zone and row security, whatever the server's defaults are.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import class_row, dict_row

from pgrunbook import errors, sandbox

T = TypeVar("T")

_SESSION = {
    "lock_timeout": "2s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "60s",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_min_messages": "notice",
    # an owner's UPDATE under FORCE ROW LEVEL SECURITY would touch no row and say nothing; this makes it an error
    "row_security": "off",
}
_SESSION_IF_KNOWN = {  # newer servers only; an idle timeout would drop the advisory lock
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "client_connection_check_interval": "0",
}
_KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_SERVICE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


@dataclass(frozen=True, slots=True)
class Target:
    """The database acted on, by a name that may be recorded."""

    name: str
    kind: Literal["sandbox", "service", "env", "sqlite"]

    @property
    def is_sandbox(self) -> bool:
        return self.kind == "sandbox"


def parse_target(name: str) -> Target:
    """Read a target's name; a connection string is refused without repeating it.

    >>> [parse_target(name).kind for name in ("sandbox", "env:PROD_DSN", "prod", "sqlite:app.db")]
    ['sandbox', 'env', 'service', 'sqlite']
    """
    if name == "sandbox":
        return Target(name, "sandbox")
    if name.startswith("env:") and name.removeprefix("env:").isidentifier():
        return Target(name, "env")
    if name.startswith("sqlite:"):
        return Target(_require_file(name), "sqlite")
    if "=" in name or "://" in name or "@" in name:
        raise errors.BadTarget(
            "target looks like a connection string; it would be recorded in the notebook, so it is refused",
            remedy="put it into pg_service.conf and give the service's name, or into an environment variable "
            "and give env:NAME; take it out of the parameters cell before you save the notebook",
        )
    if not _SERVICE_NAME.fullmatch(name):
        raise errors.BadTarget(
            f"target {name[:40]!r} is no name of a service",
            remedy="use sandbox, the name of a service in pg_service.conf, env:NAME, or sqlite:FILE",
        )
    return Target(name, "service")


def _require_file(name: str) -> str:
    """The name of a SQLite file as a target; URLs of one are refused, as is what is no file."""
    path = name.removeprefix("sqlite:")
    if not path or path.startswith((":", "//", "file:")) or "\0" in path:
        raise errors.BadTarget(
            f"target {name[:40]!r} names no file", remedy="sqlite:FILE, relative to the project's root in a notebook"
        )
    return name


class Database:
    """One session on a target. Autocommit; transactions are opened with `transaction()`."""

    def __init__(self, connection: psycopg.Connection[Any], target: Target) -> None:
        self._connection = connection
        self.target = target
        self.notices: list[str] = []
        self._on_notice: Callable[[str], None] | None = None
        connection.add_notice_handler(self._keep_notice)

    @property
    def version(self) -> int:
        """The server's version as PostgreSQL numbers it: 150018 for 15.18."""
        return self._connection.info.server_version

    @property
    def backend_pid(self) -> int:
        """The pid the server told at connecting; behind a pooler it is not the one that answers."""
        return self._connection.info.backend_pid

    @property
    def database(self) -> str:
        return self._connection.info.dbname

    @property
    def user(self) -> str:
        return self._connection.info.user

    @property
    def usable(self) -> bool:
        return not (self._connection.closed or self._connection.broken)

    @property
    def driver_connection(self) -> psycopg.Connection[Any]:
        """The driver's connection, for `%sql`, which shares it."""
        return self._connection

    def on_notice(self, tell: Callable[[str], None]) -> None:
        """Hand every notice and warning of the server to `tell`."""
        self._on_notice = tell

    def _keep_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        text = f"{diagnostic.severity_nonlocalized}: {diagnostic.message_primary}"
        self.notices.append(text)
        del self.notices[:-200]
        if self._on_notice:
            self._on_notice(text)

    def fetch(self, name: str, row: type[T], /, **parameters: Any) -> list[T]:
        """The rows of `catalog/NAME.sql`, as objects of `row`."""
        return self.select(catalog_sql(name), row, parameters)

    def select(self, query: bytes, row: type[T], parameters: Mapping[str, Any]) -> list[T]:
        """The rows of a query with `%(name)s` parameters, as objects of `row`."""
        with translated(query.decode()), self._connection.cursor(row_factory=class_row(row)) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def one(self, name: str, row: type[T], /, **parameters: Any) -> T | None:
        """The only row of `catalog/NAME.sql`, None where there is none."""
        rows = self.fetch(name, row, **parameters)
        if len(rows) > 1:
            raise errors.StatementFailed(f"catalog/{name}.sql returned {len(rows)} rows for one object")
        return rows[0] if rows else None

    def exactly(self, name: str, row: type[T], /, **parameters: Any) -> T:
        """The one row of a `catalog/NAME.sql` that always has one."""
        found = self.one(name, row, **parameters)
        if found is None:
            raise errors.StatementFailed(f"catalog/{name}.sql returned no row")
        return found

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row of a query with `$1` parameters; None without rows."""
        rows = self.rows(query, parameters)
        return rows[0][0] if rows else None

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query with `$1` parameters; an empty list for a statement that returns none."""
        with translated(query), psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def dicts(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """As `rows`, each row a dict."""
        with translated(query), psycopg.RawCursor(self._connection, row_factory=dict_row) as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def drain(self, query: str, parameters: Sequence[Any] = (), *, chunk: int = 1000) -> int:
        """Read a query's whole answer in chunks and keep none of it; returns the number of rows."""
        count = 0
        with translated(query), psycopg.RawCursor(self._connection) as cursor:
            for _ in cursor.stream(query, parameters, size=_stream_size(chunk)):
                count += 1
        return count

    def changed(self, query: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement that writes, with `$1` parameters; the number of rows that it wrote."""
        with translated(query), psycopg.RawCursor(self._connection) as cursor:
            return cursor.execute(query, parameters).rowcount

    def execute(self, statement: str) -> None:
        """Run one statement without parameters, for its effect."""
        with translated(statement):
            self._connection.execute(statement.encode())

    @contextmanager
    def transaction(self, *, read_only: bool = False, rollback: bool = False, **local: str) -> Iterator[None]:
        """A transaction; `local` are settings for it alone, `rollback` throws its work away at the end."""
        with translated("transaction"), self._connection.transaction(force_rollback=rollback):
            if read_only:
                self._connection.execute("set transaction read only")
            for name, value in local.items():
                self._connection.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            yield

    def set(self, name: str, value: str) -> None:
        """Set a parameter for the rest of the session."""
        with translated(f"set {name}"):
            self._connection.execute("select pg_catalog.set_config(%s, %s, false)", (name, value))

    def cancel(self) -> None:
        """Ask the server to cancel what this session runs; safe from another thread."""
        with translated("cancel"):
            self._connection.cancel_safe(timeout=10)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Running:
    """A statement, or other work of a session, in a thread of its own, so that the caller can watch and cancel it."""

    def __init__(self, db: Database, work: str | Callable[[], None]) -> None:
        self._work = work if callable(work) else partial(db.execute, work)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="statement", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as e:  # noqa: BLE001  raised again by result(), in the thread that asked
            self._error = e

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; True when the statement has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> None:
        """Raise what the statement raised."""
        if self._error:
            raise self._error


def connect(
    target: Target,
    *,
    database: str = "",
    application_name: str = "pgrunbook",
    search_path: Sequence[str] = (),
    read_only: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Database:
    """Open a session with every setting explicit. `database` names the sandbox's database and is ignored elsewhere.

    Raises `BadTarget` with one sentence and the remedy, and `PreflightFailed` for a pooler.
    """
    conninfo = _conninfo(target, database)
    try:
        connection = psycopg.connect(
            conninfo,
            autocommit=True,
            application_name=application_name[:63],
            connect_timeout=conninfo_to_dict(conninfo).get("connect_timeout", 10),
            prepare_threshold=None,
            **_KEEPALIVES,  # type: ignore[arg-type]
        )
    except psycopg.OperationalError as e:
        raise _unreachable(target, database, e) from None
    except psycopg.ProgrammingError as e:
        raise errors.BadTarget(f"target {target.name}: {_first_line(e)}", remedy=_mend(target)) from None
    db = Database(connection, target)
    try:
        _require_direct(db)
        _settle(db, search_path, read_only, settings or {})
    except BaseException:
        db.close()
        raise
    return db


def options(**settings: str) -> str:
    """Settings of a session as `PGOPTIONS` has them.

    >>> options(search_path='"my schema"', statement_timeout="5s")
    '-c search_path="my\\\\ schema" -c statement_timeout=5s'
    """
    escaped = {name: re.sub(r"([\\ ])", r"\\\1", value) for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def environment(database: Database) -> dict[str, str]:
    """What a program (pgbench, an application) needs in its environment to reach the very database of a session.

    It is the session's own way there, resolved: libpq takes what a service says before what variables say, so the name
    of the service would lead elsewhere where a connection string adds to it. Never on a command line, which every user
    of the machine can read.
    """
    connection = database.driver_connection
    options = [o for o in connection.pgconn.info if o.envvar and o.val is not None and o.val != o.compiled]
    found = {o.envvar.decode(): o.val.decode() for o in options if o.envvar and o.val is not None}
    found.pop("PGSERVICE", None)
    info = connection.info  # of several hosts the one that answered
    found |= {"PGHOST": info.host, "PGPORT": str(info.port), "PGDATABASE": info.dbname, "PGUSER": info.user}
    if "PGHOSTADDR" in found:
        found["PGHOSTADDR"] = info.hostaddr
    return found


def _require_direct(db: Database) -> None:
    """Refuse a pooler before the first setting: settings and locks of a session would leak to its other clients."""
    if db.value("select pg_catalog.pg_backend_pid()") != db.backend_pid:
        raise errors.PreflightFailed(
            f"target {db.target.name} is behind a pooler (another backend answers than the one connected to): "
            "locks and settings of a session would reach its other clients; nothing was done",
            remedy="give a service or variable that connects to the server directly",
        )


def _settle(db: Database, search_path: Sequence[str], read_only: bool, settings: Mapping[str, str]) -> None:
    wanted = {**_SESSION, **_SESSION_IF_KNOWN}
    if read_only:
        wanted["default_transaction_read_only"] = "on"
    if search_path:
        wanted["search_path"] = db.value(
            "select pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' order by n)"
            " from unnest($1::text[]) with ordinality u(s, n)",
            [list(search_path)],
        )
    wanted |= settings
    optional = list(_SESSION_IF_KNOWN)
    db.rows(
        "select pg_catalog.set_config(k, v, false) from unnest($1::text[], $2::text[]) w(k, v)"
        " where k <> all($3) or pg_catalog.current_setting(k, true) is not null",
        [list(wanted), list(wanted.values()), optional],
    )


def _conninfo(target: Target, database: str) -> str:
    if target.kind == "sandbox":
        return sandbox.conninfo(database or "postgres")
    if target.kind == "sqlite":
        raise errors.BadTarget(
            f"{target.name} is a SQLite file, and this is done on PostgreSQL alone",
            remedy="SQLite targets take index runbooks: plan, run (baseline, migrate, verify, checklist), status, "
            "rollback, ledger, demo",
        )
    if target.kind == "service":
        return make_conninfo(service=target.name)
    variable = target.name.removeprefix("env:")
    if not os.environ.get(variable):
        raise errors.BadTarget(
            f"target {target.name}: the environment variable {variable} is not set",
            remedy=f"export {variable}='…connection string…'",
        )
    return os.environ[variable]


def _first_line(error: BaseException) -> str:
    """The first line of a driver's message; what it quotes of a connection string that it can't read is left out."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, psycopg.ProgrammingError) or " URI" in text:
        text = re.sub(r'".*"', '"…"', text)
    return text


def _mend(target: Target) -> str:
    if target.kind == "service":
        return "check pg_service.conf (PGSERVICEFILE or ~/.pg_service.conf) with: psql service=" + target.name
    if target.kind == "env":
        return f'check the variable with: psql "${target.name.removeprefix("env:")}"'
    return "pgrunbook sandbox start"


def _unreachable(target: Target, database: str, error: psycopg.OperationalError) -> errors.BadTarget:
    if isinstance(error, pg.InvalidCatalogName) or re.search(r'database ".*" does not exist', str(error)):
        remedy = f"pgrunbook sandbox reset {database}" if target.is_sandbox else _mend(target)
        return errors.BadTarget(f"target {target.name}: the database does not exist", remedy=remedy)
    reason = _first_line(error)
    if "password" in reason:
        remedy = "give the password in ~/.pgpass or PGPASSFILE, never as a parameter; " + _mend(target)
        return errors.BadTarget(f"target {target.name} refuses the password: {reason}", remedy=remedy)
    return errors.BadTarget(f"target {target.name} can't be reached: {reason}", remedy=_mend(target))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn a driver's error into ours. The server's DETAIL is left out: it quotes rows."""
    try:
        yield
    except pg.LockNotAvailable as e:
        raise errors.LockNotAvailable(_say(e), sqlstate="55P03") from None
    except pg.QueryCanceled as e:
        raise errors.StatementCancelled(_say(e), sqlstate="57014") from None
    except pg.InsufficientPrivilege as e:
        raise errors.StatementFailed(_say(e), remedy="run as a role that owns the objects", sqlstate="42501") from None
    except (pg.AdminShutdown, pg.CrashShutdown, pg.IdleInTransactionSessionTimeout) as e:
        raise errors.LostConnection(_say(e), remedy="run it again: it takes up where it was") from None
    except psycopg.OperationalError as e:
        if e.sqlstate is None:
            raise errors.LostConnection(
                f"the connection was lost: {_first_line(e)}", remedy="run it again: it takes up where it was"
            ) from None
        raise errors.StatementFailed(_say(e), sqlstate=e.sqlstate) from None
    except psycopg.Error as e:
        remedy = "" if e.sqlstate else f"statement: {what[:200]}"
        raise errors.StatementFailed(_say(e), remedy=remedy, sqlstate=e.sqlstate or "") from None


def _say(error: psycopg.Error) -> str:
    d = error.diag
    hint = f" ({d.message_hint})" if d.message_hint else ""
    return f"{d.message_primary or _first_line(error)}{hint} [{error.sqlstate}]"


@cache
def catalog_sql(name: str) -> bytes:
    """The text of `catalog/NAME.sql`."""
    return (resources.files("pgrunbook") / "catalog" / f"{name}.sql").read_bytes()


@cache
def _stream_size(chunk: int) -> int:
    """Chunked rows need libpq 17; with an older one rows come one by one."""
    return chunk if psycopg.pq.version() >= 170000 else 1
