"""SQLite as a kind of database: its sessions, its plan, and what there is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pgrunbook import errors, runbook
from pgrunbook.db import Target
from pgrunbook.engines import Drawn, Tell
from pgrunbook.ledger import Ledger
from pgrunbook.runbook import Runbook
from pgrunbook.sqlite import db, execute, lock, plan, rehearsal
from pgrunbook.sqlite.ledger import SqliteLedger, ddl

if TYPE_CHECKING:
    from pgrunbook.stages._base import Session

STAGES = ("baseline", "migrate", "verify", "checklist", "rollback")


class SQLite:
    """One file."""

    def require(self, stages: Sequence[str], target: Target) -> None:
        lacking = [s for s in stages if s not in STAGES]
        if lacking:
            raise errors.WrongUsage(
                f"there is no {' or '.join(lacking)} of a SQLite file ({target.name})",
                remedy=f"SQLite targets take index runbooks, and these stages: {', '.join(STAGES)}",
            )

    def ready(self, target: Target, about: Runbook, tell: Tell) -> None:  # noqa: ARG002
        db.require(target, _path(target))

    def session(self) -> type[Session]:
        from pgrunbook.sqlite.session import SqliteSession

        return SqliteSession

    @contextmanager
    def guard(self, target: Target, about: Runbook, purpose: str, *, read_only: bool = False) -> Iterator[_Guard]:
        path = _path(target)
        with contextlib.ExitStack() as held:
            file = held.enter_context(db.connect(target, path, read_only=read_only))
            yield _Guard(file, about, purpose, held)

    def draw(self, target: Target, about: Runbook) -> Drawn:
        with db.connect(target, _path(target), read_only=True) as file:
            made = plan.make(about, file)
        return Drawn(made, plan.script(made, execute.busy_ms(about.about.limits)))

    def rehearse(self, target: Target, about: Runbook, size: str, tell: Tell) -> None:
        rehearsal.make(target, _path(target), about, size, tell)

    def ledger_sql(self, schema: str, role: str) -> str:
        if role:
            raise errors.WrongUsage("SQLite knows no roles", remedy="leave --role out")
        return ddl(schema)


class _Guard:
    """A session for a whole run; what it holds is let go with it."""

    def __init__(self, file: db.File, about: Runbook, purpose: str, held: contextlib.ExitStack) -> None:
        self._file = file
        self._schema = about.about.ledger.name
        self._purpose = purpose
        self._held = held

    @property
    def ledger(self) -> Ledger:
        return SqliteLedger(self._file, self._schema)

    def hold(self, name: str) -> None:
        self._held.enter_context(lock.held(self._file.target, self._file.path, name, f"pgrunbook {self._purpose}"))

    def holder(self, name: str) -> str:
        return lock.holder(self._file.path, name)


def _path(target: Target) -> Path:
    return db.path_of(target, runbook.project_root())
