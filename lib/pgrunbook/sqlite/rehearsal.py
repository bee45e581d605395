"""Rehearsal files: a runbook's sandbox/sqlite.sql, its schema and data in one script, `:scale` the size.

The shell runs it as well: `sqlite3 FILE ".parameter set :scale 1" ".read sqlite.sql"`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from pgrunbook import errors, sqlfile
from pgrunbook.db import Target
from pgrunbook.engines import Tell, no_rehearsal
from pgrunbook.lock import whole_run
from pgrunbook.runbook import Runbook
from pgrunbook.sqlite import catalog, db, lock

_MARK = f"create table {catalog.REHEARSAL} (id text primary key, runbook text not null, scale text not null)"
_BESIDE = ("-wal", "-shm", "-journal")


def make(target: Target, path: Path, runbook: Runbook, size: str, tell: Tell) -> None:
    """Make a rehearsal file anew. Raises `WrongUsage` where a file is there that is none of this runbook's."""
    script = runbook.folder / "sandbox" / "sqlite.sql"
    if not script.is_file():
        raise errors.WrongUsage(
            f"runbook {runbook.name} has no sandbox/sqlite.sql", remedy="write it: schema and data, `:scale` the size"
        )
    if not path.parent.is_dir():
        raise errors.BadTarget(f"target {target.name}: its folder is not there", remedy=f"mkdir -p {path.parent.name}")
    with contextlib.ExitStack() as held:
        if path.exists():
            _require_ours(target, path, runbook)
            for name in (runbook.name, whole_run(runbook.name)):
                held.enter_context(lock.held(target, path, name, "pgrunbook demo"))
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            tell(f"making {path.name} at scale {size}")
            _load(target, part, script, runbook, size, tell)
            for ending in _BESIDE:
                path.with_name(path.name + ending).unlink(missing_ok=True)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _require_ours(target: Target, path: Path, runbook: Runbook) -> None:
    try:
        with db.connect(target, path, read_only=True) as file:
            known = file.value("select count(*) from sqlite_master where name = ?", [catalog.REHEARSAL])
            ours = bool(known) and file.value(f"select runbook from {catalog.REHEARSAL}") == runbook.name  # noqa: S608
    except errors.BadTarget:
        ours = False
    if not ours:
        raise no_rehearsal(target)


def _head(statement: str) -> str:
    """A statement's first line that is no comment."""
    lines = [line.strip() for line in statement.splitlines()]
    return next((line for line in lines if line and not line.startswith("--")), "")


def _load(target: Target, part: Path, script: Path, runbook: Runbook, size: str, tell: Tell) -> None:
    try:
        text = sqlfile.decoded(script)
    except sqlfile.SqlFileError as e:
        raise errors.InvalidRunbook(f"sandbox/sqlite.sql:{e.line}: {e}", remedy="mend the file") from None
    with db.File(db.make(part), target, part) as file, file.transaction():
        for number, statement in enumerate(db.statements(text), 1):
            tell(f"sqlite.sql, statement {number}: {_head(statement)[:70]}")
            try:
                file.execute(statement, {"scale": float(size)})
            except errors.StatementFailed as e:
                raise errors.InvalidRunbook(
                    f"sandbox/sqlite.sql, statement {number} ({_head(statement)[:60]}): {e.message}",
                    remedy="mend the file",
                ) from None
        file.execute(_MARK)
        file.execute(
            f"insert into {catalog.REHEARSAL} values (?, ?, ?)",  # noqa: S608
            [secrets.token_hex(16), runbook.name, size],
        )
