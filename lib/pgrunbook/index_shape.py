"""What a CREATE INDEX makes, whatever the index is called and however it is spelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.sqlfile import quoted

_PB = postgast.pg_query_pb2
_ASCENDING, _DESCENDING = _PB.SORTBY_ASC, _PB.SORTBY_DESC
_NULLS_DEFAULT, _NULLS_FIRST, _NULLS_LAST = _PB.SORTBY_NULLS_DEFAULT, _PB.SORTBY_NULLS_FIRST, _PB.SORTBY_NULLS_LAST


@dataclass(frozen=True, slots=True)
class IndexShape:
    """An index by what it does. Those of one `kind` differ in their columns alone."""

    table: str
    kind: tuple[object, ...]
    columns: tuple[bytes, ...]
    ordered: bool

    def begins_with(self, other: IndexShape) -> bool:
        """Whether it serves for another one as well: not unique, and its columns begin with the other's."""
        alike = self.ordered and (self.table, self.kind) == (other.table, other.kind)
        return alike and self.columns[: len(other.columns)] == other.columns


def shape(node: Any) -> IndexShape:
    """The shape of a parsed CREATE INDEX."""
    method = node.access_method or "btree"
    kind = (
        node.relation.inh, method, node.unique, node.nulls_not_distinct, _bare(node.where_clause),
        tuple(map(_bare, node.options)), tuple(map(_bare, node.index_including_params)),
    )  # fmt: skip
    table = quoted(node.relation.schemaname, node.relation.relname)
    return IndexShape(table, kind, tuple(map(_bare, node.index_params)), method == "btree" and not node.unique)


def _bare(node: Any) -> bytes:
    """A part of a statement without the places it was written at, and without what is said by its default."""
    bare = type(node)()
    bare.CopyFrom(node)
    for _, message in [("", bare), *sqlfile.walk(bare)]:
        if "location" in message.DESCRIPTOR.fields_by_name:
            message.ClearField("location")
        if message.DESCRIPTOR.name == "IndexElem":
            _spell_out(message)
    return bytes(bare.SerializeToString(deterministic=True))


def _spell_out(element: Any) -> None:
    descending = element.ordering == _DESCENDING
    element.ordering = _DESCENDING if descending else _ASCENDING
    if element.nulls_ordering == _NULLS_DEFAULT:
        element.nulls_ordering = _NULLS_FIRST if descending else _NULLS_LAST
