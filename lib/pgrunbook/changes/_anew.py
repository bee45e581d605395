"""What is made again though it stands as planned, or looks as if it could not be, since earlier changes come first.

`drop view w; alter table t alter column b type bigint; create view w as select b from t` gives the view the definition
that it has: nothing of it looks undone, until the change between them is refused. And what `create or replace view`
makes of a column that the migration adds is not to be known before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pgrunbook.changes._base import Change, Defined, State
from pgrunbook.changes._neighbours import Neighbours
from pgrunbook.db import Database


def marked(made: Sequence[Change], neighbours: Neighbours, db: Database) -> dict[int, Change]:
    """Those to be made anew, by position. `made` know what comes after them."""
    found: dict[int, Change] = {}
    for own in sorted(_several(made, db), key=lambda own: own[-1] - own[0]):
        first = own[0] if len(own) > 1 else -1
        between = (n for n in neighbours.of(own[-1]) if first < n < own[-1])
        if any(n in found or _is_to_do(made[n], db) for n in between):
            found |= {n: replace(made[n], anew=True) for n in own}
    return found


def _several(made: Sequence[Change], db: Database) -> Iterator[tuple[int, ...]]:
    """Each drop with what is made in its place; what is replaced by itself."""
    dropped: dict[str, int] = {}
    for n, change in enumerate(made):
        if change.by_ledger:
            continue
        if isinstance(change, Defined) and change.drops:
            dropped[change.subject] = n
        elif change.begins and change.subject in dropped:
            yield dropped.pop(change.subject), n
        elif isinstance(change, Defined) and change.begins and change.replaces and _is_open(change, db):
            yield (n,)


def _is_open(change: Defined, db: Database) -> bool:
    return not change.not_yet(db) and change.now(db) is not None and change.undecided(db)


def _is_to_do(change: Change, db: Database) -> bool:
    return not (change.by_ledger or change.is_check) and change.standing(db).state is not State.PRESENT
