"""A runbook: one directory that describes one change. Every mistake in it is told in one pass, with file and line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pgrunbook import errors, sqlfile
from pgrunbook.changes import Change
from pgrunbook.description import Description, OnSqlite
from pgrunbook.sqlfile import SqlStatement

NONE = "audit"
BIND_CLASSES = ("common", "rare", "absent")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a query takes the place of, and how its rows have to be those of that one."""

    replaces: str
    same: Literal["equal", "set", "page"]
    page: tuple[str, ...]
    gates: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One measured query: a file of `workload/`. `binds` are the queries that sample its parameters, by class.

    `role` is who runs it, `settings` what is set before it, to the value of which bind column; empty: as we are.
    It may be the `rewrite` of another one; `also` are the columns that the rewrites of this one need of its binds.
    """

    name: str
    title: str
    statements: tuple[SqlStatement, ...]
    order: str
    harmless: tuple[str, ...]
    weight: float
    binds: Mapping[str, str]
    role: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    rewrite: Rewrite | None = None
    also: tuple[str, ...] = ()
    sqlite: OnSqlite | None = None

    @property
    def replaces(self) -> str:
        """The query whose place it takes; empty for none."""
        return self.rewrite.replaces if self.rewrite else ""

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for s in self.statements for p in s.parameters))

    @property
    def sampled(self) -> tuple[str, ...]:
        """The columns that its bind queries have to sample: its parameters, and what its settings are set to."""
        page = self.rewrite.page if self.rewrite else ()
        return tuple(dict.fromkeys([*self.parameters, *self.settings.values(), *page, *self.also]))


@dataclass(frozen=True, slots=True)
class Assertion:
    """One file of `checks/`: its last statement returns the offending rows. One that writes is a probe.

    `after_rollback`: a probe holds without the change as well. `gates`: where it fails, the stage does. `harmless`: its
    rows may be shown on any target.
    """

    name: str
    title: str
    statements: tuple[SqlStatement, ...]
    writes: bool
    rival: str
    after_rollback: bool = True
    gates: bool = True
    harmless: bool = False
    sqlite: str = ""


@dataclass(frozen=True, slots=True)
class Runbook:
    """A validated runbook."""

    name: str
    folder: Path
    about: Description
    changes: tuple[Change, ...]
    workload: tuple[Query, ...]
    checks: tuple[Assertion, ...]

    def query(self, name: str) -> Query:
        return next(q for q in self.workload if q.name == name)

    @property
    def schemas(self) -> list[str]:
        """Whose tables and indexes it is about: its search_path's, then further ones that its migration names."""
        named = set[str]().union(*(sqlfile.schemas(c.written) for c in self.changes))
        return list(dict.fromkeys([*self.about.search_path, *sorted(named)]))

    @property
    def probes(self) -> tuple[Assertion, ...]:
        return tuple(c for c in self.checks if c.writes)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a runbook's files; `line` is 1-based, 0 for the file as a whole."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def none() -> Runbook:
    """What an audit of any database works with: no change, no workload, and the role's own search_path."""
    about = Description(title="no runbook").model_copy(update={"search_path": ()})
    return Runbook(NONE, Path(), about, (), (), ())


def project_root() -> Path:
    """The folder that holds notebooks/ and runbooks/: PGRUNBOOK_ROOT, or the first one upwards from here."""
    if "PGRUNBOOK_ROOT" in os.environ:
        root = Path(os.environ["PGRUNBOOK_ROOT"]).absolute()
        if not (root / "runbooks").is_dir():
            raise errors.WrongUsage("PGRUNBOOK_ROOT names a folder without runbooks/", remedy="set it right")
        return root
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "runbooks").is_dir() and (folder / "notebooks").is_dir():
            return folder
    raise errors.WrongUsage(
        "no runbooks/ and notebooks/ here or in a folder above",
        remedy="change into the project, or set PGRUNBOOK_ROOT",
    )


def names(root: Path) -> list[str]:
    """The runbooks there are."""
    return sorted(p.parent.name for p in (root / "runbooks").glob("*/runbook.toml"))


def load(root: Path, name: str) -> Runbook:
    """Read and validate a runbook. Raises `InvalidRunbook` with every mistake."""
    folder = root / "runbooks" / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        there = ", ".join(names(root)) or "none"
        raise errors.WrongUsage(f"no runbook {name!r}; there are: {there}", remedy="pgrunbook list")
    mistakes: list[Mistake] = []
    from pgrunbook.reading import Reader  # it makes what is defined here

    runbook = Reader(root, folder, mistakes).read()
    if runbook is None or mistakes:
        lines = "\n".join(f"  {m}" for m in sorted(set(mistakes), key=lambda m: (m.path, m.line)))
        count = f"{len(set(mistakes))} mistake{'s' if len(set(mistakes)) > 1 else ''}"
        raise errors.InvalidRunbook(
            f"runbook {name} does not validate, {count}:\n{lines}",
            remedy=f"mend them, then: pgrunbook show {name}",
        )
    return runbook
