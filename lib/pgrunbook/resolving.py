"""A migration's changes with their names resolved, each knowing the others that it has to do with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgrunbook import errors
from pgrunbook.changes import Change, Defined, Names, _anew
from pgrunbook.changes._neighbours import Neighbours
from pgrunbook.changes._renames import Moved


def resolved(changes: Sequence[Change], names: Names) -> list[Change]:
    """The changes with their names as they will be when it is their turn, each knowing what comes after it.

    Raises `PreflightFailed` for a name that means nothing then.
    """
    for change in reversed(changes):
        change.foretell(names)
        if made_then := change.makes:
            names.coming.add((made_then.schema, made_then.name))
    made: list[Change] = names.earlier
    dropped: set[str] = set()
    renamed: dict[str, Change] = {}
    for change in changes:
        found = change.resolve(names)
        _refuse_drop_of_renamed(found, renamed)
        related = bool(found.relation)
        found = replace(
            found,
            fresh=related and names.makes(found.relation),
            awaited=related and names.awaited(found.relation),
            vacated=found.subject in dropped or (found.makes is not None and names.vacated(str(found.makes))),
            block=change.written.block,
        )
        found.follow(names)
        if isinstance(found, Moved):
            renamed[found.subject] = found
        (dropped.add if isinstance(found, Defined) and found.drops else dropped.discard)(found.subject)
        made.append(found)
    neighbours = Neighbours(made)
    _mark_passing(made, neighbours)
    _mark_replacing(made, neighbours)
    known = _each_with_later(made, neighbours)
    if anew := _anew.marked(known, neighbours, names.db):
        return _each_with_later([anew.get(n, c) for n, c in enumerate(known)], neighbours)
    return known


def _refuse_drop_of_renamed(drop: Change, renamed: Mapping[str, Change]) -> None:
    """Before both and after both the new name stands for nothing, so that neither would ever be seen to be undone."""
    before = renamed.get(drop.subject)
    if before and isinstance(drop, Defined) and drop.drops and not drop.passing:
        raise errors.PreflightFailed(
            f"line {drop.written.line} of migrate.sql drops {drop.object}, which line {before.written.line} renames: "
            "once both are done, nothing tells so",
            remedy="drop it by its old name, and leave the other line out",
        )


def _mark_passing(made: list[Change], neighbours: Neighbours) -> None:
    """Mark what is done to objects that a later change of the same migration drops again."""
    for last, drop in enumerate(made):
        if drop.passing and isinstance(drop, Defined) and drop.drops:
            for n in (n for n in neighbours.of(last) if n < last):
                if made[n].subject == drop.subject or drop.takes_away(made[n]):
                    made[n] = replace(made[n], passing=True)


def _mark_replacing(made: list[Change], neighbours: Neighbours) -> None:
    """Mark what gives a new object the name of one that is dropped: by names, all of it looks done from the start."""
    for last in [n for n, c in enumerate(made) if isinstance(c, Moved)]:
        rename: Any = made[last]
        before = [n for n in neighbours.of(last) if n < last]
        drops = [n for n in before if _drops(made[n]) and made[n].object == rename.object]
        if not drops or not any(rename.is_made_by(made[n]) for n in before):
            continue
        taken = {n for n in before if rename.takes_away(made[n])}
        taken |= {n for n in neighbours.of(drops[-1]) if n < drops[-1] and made[drops[-1]].takes_away(made[n])}
        for n in sorted(taken | {drops[-1], last}):
            made[n] = replace(made[n], replacing=True)


def _drops(change: Change) -> bool:
    return isinstance(change, Defined) and change.drops


def _each_with_later(made: Sequence[Change], neighbours: Neighbours) -> list[Change]:
    """Each change knowing the later ones that may concern it."""
    found = list(made)
    for n in reversed(range(len(made))):
        found[n] = made[n].followed_by([found[m] for m in neighbours.of(n) if m > n])
    return found
