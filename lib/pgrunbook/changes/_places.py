"""The names that objects bear, of whatever sort: how they are looked up, and whether a statement has one in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pgrunbook import sqlfile
from pgrunbook.changes import _functions, _types
from pgrunbook.changes._base import Change, Names, Relation
from pgrunbook.changes._functions import Signature
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted


@dataclass(frozen=True, slots=True)
class Sort:
    """How ALTER calls an object, its sort (as named_object.sql says), and of which kinds a relation may be."""

    word: str
    what: str
    kinds: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A name that an object bears; `on` is the relation or enum that it belongs to, `types` are a function's."""

    sort: Sort
    schema: str
    on: str
    name: str
    types: tuple[str, ...] | None = None

    def __str__(self) -> str:
        if self.sort.what == "function":
            return str(Signature(self.schema, self.name, self.types))
        if self.sort.what == "value":
            return f"{quoted(self.schema, self.on)} {_types.literal(self.name)}"
        return quoted(self.schema, self.on, self.name)

    @property
    def holder(self) -> str:
        """The relation or enum that it belongs to; empty for none."""
        return quoted(self.schema, self.on) if self.on else ""

    @property
    def subject(self) -> str:
        """How the kinds that make and drop such an object call it."""
        return f"{self.sort.word if self.sort.what in ('relation', 'function') else self.sort.what} {self}"

    def look(self, db: Database) -> str:
        """What tells the object of this name from every other; empty where there is none."""
        signature = Signature(self.schema, self.name, self.types)
        oid = _functions.oid_of(db, signature) if self.sort.what == "function" else None
        found = db.one(
            "named_object",
            _Identity,
            what=self.sort.what,
            named=quoted(self.schema, self.name),
            on=self.holder or None,
            name=self.name,
            kinds=list(self.sort.kinds),
            oid=oid,
        )
        return found.identity if found else ""


NOWHERE = Place(Sort("", ""), "", "", "")


@dataclass(frozen=True, slots=True)
class _Identity:
    identity: str


def qualified(names: Names, place: Place, written: SqlStatement) -> tuple[Place, Relation | None]:
    """A name with its schema, as it is meant once the changes before are done; the relation, if it is one's.

    Raises `PreflightFailed` where what it belongs to is not there.
    """
    if place.sort.what == "schema":
        return place, None
    if place.sort.what == "relation":
        found = names.relation(place.schema, place.name, written, place.sort.kinds)
        return replace(place, schema=found.schema), found
    if place.sort.what == "function":
        function = _functions.resolved(names, Signature(place.schema, place.name, place.types), written)
        return replace(place, schema=function.schema, types=function.types), None
    if place.sort.what in ("type", "value"):
        type_ = _functions.type_named(names, Signature(place.schema, place.on or place.name, None), written)
        return replace(place, schema=type_.schema), None
    return replace(place, schema=names.relation(place.schema, place.on, written, "rpvmfc").schema), None


def below(change: Change) -> list[tuple[str, Any]]:
    return list(sqlfile.walk(change.written.node))


def may_mention(change: Change, name: str) -> bool:
    """Whether a statement's text can have a name in it, however it is quoted; quick, and never wrongly no."""
    text = change.written.sql
    return name in text or name in text.lower() or not name.replace("_", "").isalnum() or "\\" in text


def mentions(change: Change, name: str) -> bool:
    """Whether a statement has a name in it, in whatever place."""
    nodes: list[Any] = [change.written.node, *(node for _, node in below(change))]
    return any(value == name for node in nodes for _, value in node.ListFields() if isinstance(value, str))


def reads(change: Change, relation: Place) -> bool:
    """Whether a statement names a relation."""
    nodes: list[Any] = [change.written.node, *(node for _, node in below(change))]
    return any(
        node.DESCRIPTOR.name == "RangeVar"
        and node.relname == relation.name
        and node.schemaname in ("", relation.schema)
        for node in nodes
    )
