"""The SQL of one batch of an UPDATE, and of its way back. Pure text; `backfill.py` runs it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgrunbook.changes import Walk
from pgrunbook.changes.backfill import Column
from pgrunbook.sqlfile import quoted


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the key: above `lower`, up to and with `upper`; None is no bound. Values are text."""

    lower: tuple[str, ...] | None = None
    upper: tuple[str, ...] | None = None

    @property
    def values(self) -> list[str]:
        """What is bound to the conditions' parameters."""
        return [*(self.lower or ()), *(self.upper or ())]

    def condition(self, columns: Sequence[str], types: Sequence[str]) -> str:
        """The range as SQL with parameters from `$1` on.

        >>> Span(("1",), ("5",)).condition(["t.id"], ["integer"])
        '(t.id) > ($1::integer) and (t.id) <= ($2::integer)'
        """
        found, number = [], 1
        for operator, bound in ((">", self.lower), ("<=", self.upper)):
            if bound is not None:
                values = [f"${n}::{type_}" for n, type_ in enumerate(types, number)]
                found.append(f"({', '.join(columns)}) {operator} ({', '.join(values)})")
                number += len(values)
        return " and ".join(found) or "true"


def kept_name(run_id: str, position: int) -> str:
    """The name of the table that holds a change's old values.

    >>> kept_name("20260101-000000-abcdef", 3)
    'kept_c4bc012e_3'
    """
    return f"kept_{hashlib.sha256(run_id.encode()).hexdigest()[:8]}_{position}"


class BatchSql:
    """The statements of a walk. `kept` is the qualified name of the table with the old and the new values.

    Its columns are k1… (the key), o1… and n1… (old and new values), and which version of the row was read.
    """

    def __init__(self, walk: Walk, kept: str, key: Sequence[Column], columns: Sequence[Column]) -> None:
        self._walk = walk
        self._kept = kept
        self._key = key
        self._columns = columns
        self._types = [c.type for c in key]
        self._names = [quoted(c.name) for c in key]
        self._set = [quoted(c.name) for c in columns]
        self._k, self._o, self._n = ([f"{letter}{n}" for n in range(1, len(of) + 1)] for letter, of in self._letters())

    def _letters(self) -> list[tuple[str, Sequence[Column]]]:
        return [("k", self._key), ("o", self._columns), ("n", self._columns)]

    # -- ranges --------------------------------------------------------------------------------------------

    def bound(self, span: Span, *, kept: bool = False) -> str:
        """The key that ends a batch of one row more than the last parameter says; no row where fewer are left."""
        source, names = (self._kept, self._k) if kept else (self._walk.target, self._names)
        columns = ", ".join(names)
        inner = (
            f"select {columns} from {source} as walked"  # noqa: S608
            f" where {self._within(span, 'walked', names)}"
            f" order by {columns} limit 1 offset ${len(span.values) + 1}::int8"
        )
        # outside, since a cast in the inner one would be made for every row that is stepped over
        return f"select {', '.join(f'{n}::text' for n in names)} from ({inner}) bound"  # noqa: S608

    def _within(self, span: Span, alias: str, names: Sequence[str]) -> str:
        return span.condition([f"{alias}.{n}" for n in names], self._types)

    def _same_row(self, span: Span) -> str:
        """A row of the table and what is kept of it. Both sides have the range: no more of either has to be read."""
        pairs = _all(f"moved.{name} = kept.{k}" for name, k in zip(self._names, self._k, strict=True))
        return f"{self._within(span, 'kept', self._k)} and {self._within(span, 'moved', self._names)} and {pairs}"

    def _same_version(self, span: Span) -> str:
        """The row where it was when it was locked."""
        return f"{self._same_row(span)} and moved.ctid = kept.row_place"

    @property
    def _moved(self) -> str:
        return f"{self._walk.target} as moved"

    # -- forward -------------------------------------------------------------------------------------------

    def create(self) -> list[str]:
        """The table of the old and the new values, for nobody else to read."""
        columns = [
            f"{letter}{n} {c.type}{f' collate {c.collation}' if c.collation else ''}"
            for letter, of in self._letters()
            for n, c in enumerate(of, 1)
        ]
        shape = ", ".join([*columns, "row_place tid", f"primary key ({', '.join(self._k)})"])
        return [f"create table {self._kept} ({shape})", f"revoke all on {self._kept} from public"]

    def keep(self, span: Span) -> str:
        """Keep old and new values of the rows that the UPDATE selects, and lock them, so that they stay true.

        Where a FROM list gives several values for a row one of them is taken, as the UPDATE itself would.
        """
        walk, alias = self._walk, self._walk.alias
        selected = [
            *(f"{alias}.{name}" for name in self._names),
            *(f"{alias}.{name}" for name in self._set),
            *walk.values,
            f"{alias}.ctid",
        ]
        return (
            f"insert into {self._kept} ({', '.join([*self._k, *self._o, *self._n])}, row_place)"  # noqa: S608
            f" select {', '.join(selected)} from {walk.target} as {alias}{_more(walk.others)}"
            f" where {self._within(span, alias, self._names)} and ({walk.condition})"
            f" for no key update of {alias}"
            f"{' on conflict do nothing' if walk.others else ''}"
        )

    def write(self, span: Span) -> str:
        """Write the kept new values into the rows."""
        return f"update {self._moved} {self._set_to(self._n)} where {self._same_version(span)}"

    def forget_unmoved(self, span: Span) -> str:
        """Keep nothing of the rows that stayed as they were: a trigger refused them."""
        return (
            f"delete from {self._kept} as kept using {self._moved}"  # noqa: S608
            f" where {self._same_version(span)}"
        )

    def settle(self, span: Span) -> str:
        """Keep as new values what the table's triggers made of them."""
        now = ", ".join(f"{n} = moved.{name}" for n, name in zip(self._n, self._set, strict=True))
        return (
            f"update {self._kept} as kept set {now} from {self._moved}"  # noqa: S608
            f" where {self._same_row(span)} and not {self._unchanged}"
        )

    def write_only(self, span: Span) -> str:
        """The UPDATE itself within a range, where nothing is to be kept."""
        walk = self._walk
        values = ", ".join(f"{name} = {value}" for name, value in zip(self._set, walk.values, strict=True))
        return (
            f"update {walk.target} as {walk.alias} set {values}{f' from {walk.others}' if walk.others else ''}"  # noqa: S608
            f" where {self._within(span, walk.alias, self._names)} and ({walk.condition})"
        )

    def _set_to(self, values: Sequence[str]) -> str:
        pairs = ", ".join(f"{name} = kept.{v}" for name, v in zip(self._set, values, strict=True))
        return f"set {pairs} from {self._kept} as kept"

    # -- back ----------------------------------------------------------------------------------------------

    def restore(self, span: Span) -> str:
        """Write the old values into the rows that still have the new ones, and keep nothing of these any more."""
        returned = ", ".join(f"kept.{k}" for k in self._k)
        same = _all(f"kept.{k} = restored.{k}" for k in self._k)
        return (
            f"with restored as (update {self._moved} {self._set_to(self._o)} where {self._same_row(span)}"  # noqa: S608
            f" and {self._unchanged} returning {returned})"
            f" delete from {self._kept} as kept using restored where {same}"
        )

    def left(self) -> str:
        """The keys of some rows that are still kept."""
        columns = [f"kept.{k}" for k in self._k]  # with the table's name: `order by k1` would mean the text
        shown = ", ".join(f"{c}::text" for c in columns)
        return f"select {shown} from {self._kept} as kept order by {', '.join(columns)} limit $1"  # noqa: S608

    @property
    def _unchanged(self) -> str:
        """Values compared as they are stored: json and xml have no other comparison, and 1.0 is not 1.00 here."""
        now = ", ".join(f"moved.{name}" for name in self._set)
        kept = ", ".join(f"kept.{n}" for n in self._n)
        return f"pg_catalog.record_image_eq(row({now}), row({kept}))"


def _all(conditions: Iterable[str]) -> str:
    return " and ".join(conditions)


def _more(others: str) -> str:
    return f", {others}" if others else ""
