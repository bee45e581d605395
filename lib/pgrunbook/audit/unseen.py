"""What the statistics of this server don't tell this role, so that lints on indexes may be silent about it."""

from __future__ import annotations

from dataclasses import dataclass

from pgrunbook.audit import NotSeen
from pgrunbook.db import Database


@dataclass(frozen=True, slots=True)
class _Unseen:
    """Numbers of tables from 1,000 rows on, with some of their names."""

    counted: bool
    hidden: int
    hidden_names: list[str]
    unanalysed: int
    unanalysed_names: list[str]


def statistics(database: Database) -> list[NotSeen]:
    """Counters that are off, and columns whose statistics are hidden or were never gathered."""
    found = database.exactly("audit_statistics_unseen", _Unseen)
    told = []
    if not found.counted:
        told.append(
            NotSeen("scans and writes", "track_counts is off: nothing is counted", "alter system set track_counts = on")
        )
    if found.hidden:
        why = f"their statistics can't be read: {_some(found.hidden, found.hidden_names)}"
        told.append(
            NotSeen("columns' values of tables", why, "grant select on them, or audit as a role that may read them")
        )
    if found.unanalysed:
        first = found.unanalysed_names[0]
        why = f"never analyzed: {_some(found.unanalysed, found.unanalysed_names)}"
        told.append(NotSeen("columns' values of tables", why, f"analyze {first};"))
    return told


def _some(count: int, names: list[str]) -> str:
    return ", ".join(names) + (f" and {count - len(names):,} more" if count > len(names) else "")
