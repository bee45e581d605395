"""What the fault harness runs: the cases of each kind of change, one module a kind, named after it."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One migration, with what stands before it. Everything happens in schema public of an empty database.

    `setup` are statements run before (small data: a few hundred rows at most); `migrate` makes changes of the case's
    kind, and as few others as it can. `toml` goes into runbook.toml, `files` are further files by path.
    `acknowledge` is the rollback's acknowledge_loss. `oldest` is the oldest version that has the feature, as the
    server numbers it (150000). `breaks` is a statement that puts a row into the table which makes the change fail (a
    duplicate, a bad row), `mends` the one that takes it away again; `sqlstate` is what the server then says, several
    where that depends on its version.
    Roles that a case needs are listed in `roles`: the harness makes them where they are missing. `in_database`: its role
    has to have CREATE on the database, which a role that owns a schema alone is given then.
    """

    name: str
    setup: tuple[str, ...]
    migrate: str
    toml: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    acknowledge: str = ""
    oldest: int = 130000
    breaks: str = ""
    mends: str = ""
    sqlstate: str = ""
    roles: tuple[str, ...] = ()
    in_database: bool = False


def by_kind() -> Iterator[tuple[str, Case]]:
    """Every case with the kind it is for."""
    for path in sorted(pathlib.Path(__file__).parent.glob("[a-z]*.py")):
        for case in importlib.import_module(f"cases.{path.stem}").CASES:
            yield path.stem, case
