"""Objects that are replaced in place where the server can, and dropped and made again where it can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pgrunbook import errors
from pgrunbook.changes._base import Change
from pgrunbook.changes._scratch import scratch
from pgrunbook.db import Database


@dataclass(frozen=True, slots=True)
class _Lost:
    statement: str
    by_another: bool


def replaceable(db: Database, change: Change, attempt: Callable[[], None]) -> str:
    """Why the server can't replace one definition by another, tried on scratch objects; empty where it can."""
    try:
        with scratch(db, change):
            attempt()
    except errors.PreflightFailed as e:
        return e.message
    return ""


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
