"""Which changes of a migration may concern each other: comparing each with each takes long with thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields

from pgrunbook.changes._base import Change

_WORD = re.compile(r"\w+")
_PART = re.compile(r'"(?:[^"]|"")*"|[^".]+')


class Neighbours:
    """The changes by the names in them.

    Two are neighbours where one names the other's object or table, as far as the text tells: it may say yes for no
    reason, and never no. Whoever goes on from a new name is a neighbour of whom the old one concerns.
    """

    def __init__(self, changes: Sequence[Change]) -> None:
        self._keys = [_keys(c) for c in changes]
        self._words = [_words(c) for c in changes]
        self._with_key, self._with_word = _positions(self._keys), _positions(self._words)
        # by position, of what gives a name away: the words of the new one
        self._new = {n: _new_name(c) for n, c in enumerate(changes) if c.renames}
        self._wide = {n for n, c in enumerate(changes) if not self._keys[n] or _is_wide(c)}
        self._count = len(changes)

    def of(self, position: int) -> Sequence[int]:
        """The positions of a change's neighbours, in order."""
        if position in self._wide:
            return range(self._count)
        found = set(self._wide)
        for word in self._words[position]:
            found.update(self._with_key.get(word, ()))
        keys, asked = set(self._keys[position]), set[str]()
        while keys - asked:
            new = {n for key in keys - asked for n in self._with_word.get(key, ())}
            asked |= keys
            found |= new
            keys = {word for n in new & self._new.keys() for word in self._new[n]}
        return sorted(found)


def _positions(words: Iterable[frozenset[str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for position, own in enumerate(words):
        for word in own:
            found.setdefault(word, []).append(position)
    return found


def _keys(change: Change) -> frozenset[str]:
    """The words in the names of its table, or of its object where it has none; without schemas."""
    made = change.makes
    return _names(change.relation or change.object) | (_split(made.name) if made else frozenset())


def _new_name(change: Change) -> frozenset[str]:
    """The words of the name that a renamed object gets; none for a part of a table, which is found by that."""
    made = change.makes
    return _split(made.name) if made else frozenset() if change.relation else _names(change.object)


def _names(qualified: str) -> frozenset[str]:
    parts = _PART.findall(qualified)
    return _split(" ".join(parts[1:] or parts))


def _words(change: Change) -> frozenset[str]:
    """All words in its statement and in the names that it has found out."""
    known = [value for f in fields(change) if isinstance(value := getattr(change, f.name), str)]
    made = [change.makes.name] if change.makes else []
    return _split(" ".join([change.written.sql, change.object, change.relation, *change.idents, *known, *made]))


def _split(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _is_wide(change: Change) -> bool:
    """Whether more may be meant than its words say."""
    sql = change.written.sql
    unnamed = change.written.node_kind == "rename_stmt" and not change.written.node.HasField("relation")
    return change.kind == "raw_sql" or unnamed or 'u&"' in sql.lower()
