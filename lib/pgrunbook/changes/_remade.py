"""Objects that are replaced in place where the server can, and dropped and made again where it can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pgrunbook import errors
from pgrunbook.changes import _definitions
from pgrunbook.changes._base import Change, Defined, Names, Observation, State
from pgrunbook.changes._definitions import Found
from pgrunbook.changes._scratch import scratch
from pgrunbook.db import Database

# undefined column, function, table, type, schema: an earlier change of the migration makes it
NOT_THERE_YET = ("42703", "42883", "42P01", "42704", "3F000")
_IF_HELD = "drop what depends on it before, and make that again after it; or answer for the statement in rollback.sql"


class OrReplace(Defined):
    """One CREATE [OR REPLACE]. `held` is what depends on what stands there."""

    __slots__ = ()
    held: tuple[str, ...]

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def replaces(self) -> bool:
        return bool(self._node.replace)

    @property
    def if_different(self) -> str:
        return _IF_HELD if self.held else super().if_different

    @property
    def takes_block_apart(self) -> bool:
        return self.anew and self.replaces  # what it replaces is looked at when the changes before it are done


@dataclass(frozen=True, slots=True)
class _Lost:
    statement: str
    by_another: bool


def replaceable(db: Database, change: Change, attempt: Callable[[], None]) -> str:
    """Why the server can't replace one definition by another, tried on scratch objects; empty where it can.

    Empty as well where that needs what an earlier change makes.
    """
    try:
        with scratch(db, change):
            attempt()
    except errors.PreflightFailed as e:
        said = e.__context__
        waits = change.anew and isinstance(said, errors.StatementFailed) and said.sqlstate in NOT_THERE_YET
        return "" if waits else e.message
    return ""


def held_by(names: Names, catalog: str, oid: int | None) -> tuple[str, ...]:
    """What would stand in the way of dropping an object, to make it as it is now once more."""
    return tuple(_definitions.in_the_way(names, Found(catalog, oid), cascade=True)) if oid else ()


def no_way_back(
    db: Database, change: Change, held: Sequence[str], now: str, back: Callable[[], None]
) -> Observation | None:
    """What a plan is told where the way back has to drop what others depend on; None where it does not."""
    if not held or not replaceable(db, change, back):
        return None
    return Observation(
        State.DIFFERENT,
        f"found: {now}; its undo has to drop it and make it again, which the server refuses: {'; '.join(held)}",
    )


def lost_by_drop(db: Database, change: Change, *, function: str | None = None, view: str | None = None) -> list[str]:
    """The statements that bring back what an object loses when it is dropped and made again.

    Raises `PreflightFailed` for privileges that they can't bring back.
    """
    with db.transaction(rollback=True, search_path="pg_catalog"):
        lost = db.fetch("lost_by_drop", _Lost, function=function, view=view)
    for one in lost:
        if one.by_another:
            raise errors.PreflightFailed(
                f"{change.object} can't be taken back to what it is: it would have to be dropped and made again, and "
                f"somebody else than its owner granted a privilege on it ({one.statement})",
                remedy="revoke that, and let the owner grant it",
            )
    return [one.statement for one in lost]


def way_back(drop: str, before: str | None, lost: Sequence[str]) -> list[str]:
    """The statements that take an object back to a definition; `lost` says that it has to be dropped first."""
    if not before:
        return [drop]
    return [drop, before, *lost] if lost else [before]
