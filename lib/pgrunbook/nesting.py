"""SQL that nests too deep: the grammar reads it, but its tree can't be handed over, or brings the process down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import postgast
from google.protobuf.message import DecodeError

_TOKEN = postgast.pg_query_pb2.Token
_OPENS, _CLOSES = {_TOKEN.ASCII_40, _TOKEN.ASCII_91}, {_TOKEN.ASCII_41, _TOKEN.ASCII_93}
_COMMA, _SEMICOLON = _TOKEN.ASCII_44, _TOKEN.ASCII_59
_SETS = {_TOKEN.UNION, _TOKEN.INTERSECT, _TOKEN.EXCEPT}
# libpg_query hands trees over by recursion, without a look at the stack: a chain of some 20,000 operators ends the
# process. Trees of a tenth of that can't be decoded anyway.
_LONGEST_CHAIN = 15_000

TOO_DEEP = "nests too deep to be read: more than about 45 levels of expressions, joins or sub-queries"


def chained_at(tokens: Iterable[Any]) -> int:
    """The byte at which a chain of operators gets too long to be parsed at all; -1 for none.

    `tokens` are the scanner's. A chain is what no comma ends, those of sets go over commas.
    """
    outer: list[int] = []
    run = sets = 0
    for token in tokens:
        run, kind = run + 1, token.token
        if kind in _OPENS:
            outer.append(run)
        elif kind in _CLOSES and outer:
            run = outer.pop()
        elif kind == _COMMA:
            run = outer[-1] if outer else 0
        elif kind == _SEMICOLON:
            outer, run, sets = [], 0, 0
        elif kind in _SETS:
            sets += 1
        if run + sets > _LONGEST_CHAIN:
            return int(token.start)
    return -1


def may_chain(tokens: int) -> bool:
    """Whether a text of so many tokens may hold a chain that is too long."""
    return tokens > _LONGEST_CHAIN


def line_of_deep(text: str) -> int:
    """The line, counted from 0, of the first statement whose tree can't be decoded."""
    at = 0
    for piece in postgast.split(text):
        at = max(text.find(piece, at), 0)
        try:
            postgast.parse(piece)
        except DecodeError:
            return text.count("\n", 0, at + len(piece) - len(piece.lstrip()))
        at += len(piece)
    return 0
