"""The kinds of database there are, and what stages and verbs need of one that another kind does otherwise.

Chosen here, by the target, and nowhere else: `of(target)`. PostgreSQL's is below, SQLite's in `sqlite/engine.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pgrunbook import db, errors, ledger, rehearsal, runbook, second_opinion
from pgrunbook import plan as planning
from pgrunbook.ledger import Ledger
from pgrunbook.lock import hold_lock, holder_of
from pgrunbook.plan import Plan
from pgrunbook.runbook import Runbook
from pgrunbook.second_opinion import Opined

if TYPE_CHECKING:
    from pgrunbook.stages._base import Session

Tell = Callable[[str], None]
_SQLITE = "sqlite:"


class Guard(Protocol):
    """A session on a target for what a whole run needs: its ledger, and locks for as long as it is open."""

    @property
    def ledger(self) -> Ledger: ...

    def hold(self, name: str) -> None:
        """Keep others off. Raises `Busy` naming the holder."""

    def holder(self, name: str) -> str:
        """Who keeps others off; empty where nobody does."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A plan as a verb shows it: as a script, and with squawk's opinions; None where it isn't asked."""

    plan: Plan
    script: str
    opinions: Callable[[], list[Opined] | None] = lambda: None


class Engine(Protocol):
    """One kind of database."""

    def require(self, stages: Sequence[str], target: db.Target) -> None:
        """Raise `WrongUsage` for a stage that there is not on this kind."""

    def ready(self, target: db.Target, about: Runbook, tell: Tell) -> None:
        """Make a target ready that may be made: a rehearsal."""

    def session(self) -> type[Session]: ...

    def guard(
        self, target: db.Target, about: Runbook, purpose: str, *, read_only: bool = False
    ) -> AbstractContextManager[Guard]: ...

    def draw(self, target: db.Target, about: Runbook) -> Drawn: ...

    def rehearse(self, target: db.Target, about: Runbook, size: str, tell: Tell) -> None:
        """Throw a rehearsal away and make it anew. Raises `WrongUsage` for what is none."""

    def ledger_sql(self, schema: str, role: str) -> str: ...


def of(target: db.Target) -> Engine:
    """The engine of a target."""
    if target.kind == "sqlite":
        from pgrunbook.sqlite.engine import SQLite

        return SQLite()
    return PostgreSQL()


def typed(name: str) -> str:
    """A target as it is typed in a shell: a file's name is relative to where one stands, ours to the project's root."""
    return _from_root(name, Path.cwd()) if name.startswith(_SQLITE) else name


def recorded(name: str) -> str:
    """A target as it may be recorded: a file by its way from the project's root, not by its place on this machine."""
    absolute = name.startswith(_SQLITE) and os.path.isabs(name.removeprefix(_SQLITE))  # noqa: PTH117
    return _from_root(name, Path("/")) if absolute else name


def _from_root(name: str, here: Path) -> str:
    path = db.parse_target(name).name.removeprefix(_SQLITE)
    return _SQLITE + os.path.relpath(here / path, runbook.project_root())


class PostgreSQL:
    """A PostgreSQL server: the sandbox's, or one that a service or a variable names."""

    def require(self, stages: Sequence[str], target: db.Target) -> None: ...

    def ready(self, target: db.Target, about: Runbook, tell: Tell) -> None:
        if target.is_sandbox:
            rehearsal.ensure(about, tell)

    def session(self) -> type[Session]:
        from pgrunbook.stages._base import Session

        return Session

    @contextmanager
    def guard(
        self, target: db.Target, about: Runbook, purpose: str, *, read_only: bool = False
    ) -> Iterator[_PostgresGuard]:
        name = f"pgrunbook {about.name} {purpose}"
        with db.connect(target, database=about.name, application_name=name, read_only=read_only) as session:
            yield _PostgresGuard(session, about.about.ledger.name)

    def draw(self, target: db.Target, about: Runbook) -> Drawn:
        name = f"pgrunbook {about.name} plan"
        path = about.about.search_path
        with db.connect(target, database=about.name, application_name=name, search_path=path) as session:
            made = planning.make(about, session)
        timeout = about.about.limits.lock_timeout_ms or made.identity.deadlock_timeout_ms + 500
        return Drawn(made, planning.script(made, timeout), lambda: second_opinion.of(made))

    def rehearse(self, target: db.Target, about: Runbook, size: str, tell: Tell) -> None:
        if not target.is_sandbox:
            raise no_rehearsal(target)
        rehearsal.reset(about, size, tell)

    def ledger_sql(self, schema: str, role: str) -> str:
        return ledger.ddl(schema, role)


def no_rehearsal(target: db.Target) -> errors.WrongUsage:
    """The error of a demonstration on what it may not throw away."""
    return errors.WrongUsage(
        f"a demonstration makes its database anew, so it never touches {target.name}",
        remedy="leave --target out, or name a SQLite file that is not there yet: --target sqlite:FILE",
    )


@dataclass(frozen=True, slots=True)
class _PostgresGuard:
    session: db.Database
    schema: str

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.session, self.schema)

    def hold(self, name: str) -> None:
        hold_lock(self.session, name)

    def holder(self, name: str) -> str:
        return str(holder_of(self.session, name) or "")
