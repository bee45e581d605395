"""BEGIN … COMMIT in a file: which statements the author wants to be committed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import postgast

from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_BEGINS = (_PB.TRANS_STMT_BEGIN, _PB.TRANS_STMT_START)


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A statement about transactions that can't be followed."""

    line: int
    text: str


def found(statements: Sequence[SqlStatement]) -> tuple[list[SqlStatement], list[Misplaced]]:
    """The statements without BEGIN and COMMIT, each with the number of its block (from 1; 0 for none).

    >>> from pgrunbook.sqlfile import split
    >>> [(s.sql, s.block) for s in found(split("select 1; begin; select 2; select 3; commit"))[0]]
    [('select 1', 0), ('select 2', 1), ('select 3', 1)]
    """
    kept: list[SqlStatement] = []
    misplaced: list[Misplaced] = []
    block, open_since = 0, 0
    for statement in statements:
        if statement.node_kind != "transaction_stmt":
            kept.append(replace(statement, block=block) if open_since else statement)
            continue
        node: Any = statement.node
        if node.kind in _BEGINS and not open_since:
            block, open_since = block + 1, statement.line
        elif node.kind == _PB.TRANS_STMT_COMMIT and open_since and not node.chain:
            open_since = 0
        elif node.kind in _BEGINS:
            misplaced.append(Misplaced(statement.line, f"begins a transaction inside that of line {open_since}"))
        elif node.kind == _PB.TRANS_STMT_COMMIT and not node.chain:
            misplaced.append(Misplaced(statement.line, "commits, and no BEGIN stands before it"))
        else:
            text = "of the statements about transactions only BEGIN and COMMIT have a place here: leave it out"
            misplaced.append(Misplaced(statement.line, text))
    if open_since:
        misplaced.append(Misplaced(open_since, "begins a transaction that no COMMIT ends"))
    return kept, misplaced
