"""SQLite files: the only module that opens one or catches its driver's errors.

Transactions are opened with `transaction()`, which takes the file's write lock at once, so that none fails half-way.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pgrunbook import errors
from pgrunbook.db import Target
from pgrunbook.sqlite.lock import who_has_open

OLDEST_VERSION = (3, 9, 0)  # indexes on expressions, and pragma index_xinfo
BUSY_MS = 1500
_TICKS = 5000  # virtual machine instructions between two looks at the clock: some 50 microseconds
Values = Sequence[Any] | Mapping[str, Any]


class File:
    """One session on a SQLite file. Autocommit."""

    def __init__(self, connection: sqlite3.Connection, target: Target, path: Path) -> None:
        self._connection = connection
        self.target = target
        self.path = path

    @property
    def driver_connection(self) -> sqlite3.Connection:
        """The driver's connection, for `%sql`."""
        return self._connection

    @property
    def version(self) -> int:
        """SQLite's version as it numbers it: 3040001 for 3.40.1."""
        major, minor, patch = sqlite3.sqlite_version_info[:3]
        return major * 1_000_000 + minor * 1000 + patch

    @property
    def shown_version(self) -> str:
        """The same as a person reads it."""
        return sqlite3.sqlite_version

    def rows(self, query: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with translated(self.target):
            return self._connection.execute(query, values).fetchall()

    def value(self, query: str, values: Values = ()) -> Any:
        """The first column of the first row; None without rows."""
        rows = self.rows(query, values)
        return rows[0][0] if rows else None

    def dicts(self, query: str, values: Values = ()) -> list[dict[str, Any]]:
        """As `rows`, each row a dict."""
        with translated(self.target):
            cursor = self._connection.execute(query, values)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def each(self, query: str, values: Values = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one."""
        with translated(self.target):
            yield from self._connection.execute(query, values)

    def drain(self, query: str, values: Values = ()) -> int:
        """Read a query's whole answer and keep none of it; returns the number of rows."""
        count = 0
        with translated(self.target):
            for _ in self._connection.execute(query, values):
                count += 1
        return count

    def execute(self, statement: str, values: Values = ()) -> None:
        """Run one statement for its effect."""
        with translated(self.target):
            self._connection.execute(statement, values).close()

    @contextmanager
    def transaction(self, *, rollback: bool = False) -> Iterator[None]:
        """A transaction that may write from its begin; `rollback` throws its work away at the end.

        Inside of another one it is a part of that.
        """
        if self._connection.in_transaction:
            yield
            return
        self.execute("begin immediate")
        try:
            yield
            if not rollback:
                self.execute("commit")
        finally:
            self._back()

    def _back(self) -> None:
        if self._connection.in_transaction:  # some errors have ended it already
            with contextlib.suppress(errors.StatementFailed):
                self.execute("rollback")

    @contextmanager
    def limited(self, seconds: float, tick: Callable[[], bool] | None = None, *, every: int = _TICKS) -> Iterator[None]:
        """A time limit for what runs inside, 0 for none; `tick` is called on the way and ends it by True.

        That is once in so many instructions of SQLite's virtual machine.

        Raises `StatementCancelled`.
        """
        end = time.monotonic() + seconds if seconds else float("inf")

        def over() -> int:
            return int(time.monotonic() > end or bool(tick and tick()))

        self._connection.set_progress_handler(over, every)
        try:
            yield
        finally:
            self._connection.set_progress_handler(None, 0)

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """A time limit for what looks at no clock on its way, such as quick_check: it is ended from another thread.

        Raises `StatementCancelled`.
        """
        timer = threading.Timer(seconds, self._connection.interrupt)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def path_of(target: Target, root: Path) -> Path:
    """Where a target's file lies: a relative name is relative to the project's root."""
    return root / target.name.removeprefix("sqlite:")


def connect(target: Target, path: Path, *, read_only: bool = False, busy_ms: int = BUSY_MS) -> File:
    """Open a file that is there. Raises `BadTarget` with the remedy.

    One that may be written is opened so for reading as well, and then kept from writing: SQLite has to write where a
    killed process left a transaction half-way.
    """
    require(target, path)
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    mode = "rw" if writable else "ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=busy_ms / 1000, isolation_level=None
    )
    connection.text_factory = _text
    file = File(connection, target, path)
    try:
        file.execute(f"pragma query_only = {int(read_only)}")
        file.rows("select count(*) from sqlite_master")
    except errors.LockNotAvailable:
        file.close()
        raise errors.Aborted(
            f"{path.name} is locked by others; open in: {who_has_open(path) or 'a process that this user can not see'}",
            remedy="run it again when they are done, or end them",
        ) from None
    except errors.StatementFailed as e:
        file.close()
        raise errors.BadTarget(
            f"target {target.name} can't be read: {e.message}", remedy="name a SQLite database"
        ) from None
    except BaseException:
        file.close()
        raise
    return file


def require(target: Target, path: Path) -> None:
    """Raise `BadTarget` where there is no such file, or a SQLite too old for it."""
    if sqlite3.sqlite_version_info < OLDEST_VERSION:
        raise errors.BadTarget(
            f"this Python has SQLite {sqlite3.sqlite_version}; 3.9 is the oldest that is known", remedy="upgrade Python"
        )
    if not path.is_file():
        there = "is no file" if path.exists() else "is not there"
        raise errors.BadTarget(
            f"target {target.name}: {path.name} {there}",
            remedy="name a database that is there (relative to the project's root); or make one of rehearsal data: "
            f"pgrunbook demo RUNBOOK --target {target.name}",
        )


def make(path: Path) -> sqlite3.Connection:
    """A new file for rehearsal data, which nobody else knows of yet."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma synchronous = off")
    return connection


def in_memory(target: Target) -> File:
    """An empty database in memory, to try definitions on."""
    return File(sqlite3.connect(":memory:", isolation_level=None), target, Path(":memory:"))


def asked_for(file: File, query: str) -> tuple[str, ...]:
    """The names of a statement's parameters, as SQLite's own parser finds them. Raises `StatementFailed`."""
    names = _Asked()
    with translated(file.target):
        file.driver_connection.execute(f"explain {query}", names).close()
    return tuple(dict.fromkeys(names.asked))


class _Asked(dict[str, None]):
    """Values for parameters that takes down which ones were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __missing__(self, name: str) -> None:
        self.asked.append(name)


def statements(script: str) -> list[str]:
    """The statements of a script, apart by SQLite's own rules: a trigger's body is one with it.

    >>> statements("select ';'; -- no; end\\nselect 2")
    ["select ';'", '-- no; end\\nselect 2']
    """
    found, begun = list[str](), ""
    for piece in script.split(";"):
        begun += piece + ";"
        if sqlite3.complete_statement(begun):
            found.append(begun[:-1].strip())
            begun = ""
    return [s for s in [*found, begun.rstrip(";").strip()] if _says_something(s)]


def _says_something(text: str) -> bool:
    lines = [line.partition("--")[0].strip() for line in text.splitlines()]
    return any(lines)


@contextmanager
def translated(target: Target) -> Iterator[None]:
    """Turn the driver's error into ours."""
    try:
        yield
    except sqlite3.Error as e:
        raise _ours(e, target) from None


def _ours(error: sqlite3.Error, target: Target) -> errors.PgRunbookError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", "")
    said = f"{error}{f' [{name}]' if name else ''}"
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return errors.LockNotAvailable(said)
        case sqlite3.SQLITE_INTERRUPT:
            return errors.StatementCancelled(said)
        case sqlite3.SQLITE_READONLY:
            return errors.StatementFailed(said, remedy="it needs the right to write the file and its folder")
        case sqlite3.SQLITE_FULL:
            return errors.StatementFailed(said, remedy="make room on the disk; nothing of the statement was kept")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return errors.BadTarget(
                f"target {target.name} is no sound SQLite database: {said}",
                remedy="restore a copy; `pragma integrity_check` says what is wrong",
            )
    return errors.StatementFailed(said)


def _text(raw: bytes) -> str:
    """A text as it is stored; what is no UTF-8 is shown as an escape, so that it can be compared all the same."""
    return raw.decode("utf-8", "backslashreplace")
