"""Who may do what on tables with row level security: a table of tables and roles by commands."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from pgrunbook.db import Database

_MOST = 200


@dataclass(frozen=True, slots=True)
class Cell:
    """One table and one role that is granted something on it, `PUBLIC` included; a role that isn't there has nothing.

    Each command has the names of the policies that it meets (restrictive ones behind `and`), or `denied` where no
    permissive policy is for it, `no privilege`, or `passes all` for whom row security does not hold.
    """

    table: str
    role: str
    select: str
    insert: str
    update: str
    delete: str


@dataclass(frozen=True, slots=True)
class _Row:
    table: str
    role: str
    select: str
    insert: str
    update: str
    delete: str
    total: int


def matrix(database: Database, *, most: int = _MOST) -> list[Cell]:
    """The gravest first: those where privileges lead to nothing. A last row says how many were left out."""
    with database.transaction(read_only=True):
        rows = database.fetch("audit_policy_matrix", _Row, most=most)
    cells = [Cell(*astuple(row)[:-1]) for row in rows]
    left_out = rows[0].total - len(rows) if rows else 0
    return [*cells, Cell(f"… and {left_out} more rows", "", "", "", "", "")] if left_out else cells
