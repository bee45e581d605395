"""Indexes as they were: what is remembered of one, and how it is built again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.sql import Literal

from pgrunbook import sqlfile
from pgrunbook.changes._base import Alone, LockMode, Phase, Statement, Transaction
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted


@dataclass(frozen=True, slots=True)
class Index:
    """One index in the catalog; `statistics` are a column's number and its target."""

    definition: str
    schema: str
    name: str
    relation: str
    partitioned: bool
    valid: bool
    tablespace: str
    comment: str
    clustered: bool
    replica_identity: bool
    statistics: list[str]
    nullable: list[str]
    constraint_name: str
    parent: str
    needed_by: str

    def __str__(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def remembered(self) -> dict[str, Any]:
        """What brings it back; equal for equal indexes."""
        return asdict(self)


def find(db: Database, schema: str, name: str) -> Index | None:
    """An index by its name; None where there is none, or something else of that name."""
    with db.transaction(search_path="pg_catalog"):
        return db.one("index_memory", Index, schema=schema, name=name)


def drop(name: str, relation: str, *, concurrently: bool, if_exists: bool = False) -> Phase:
    """Drops an index by its quoted name."""
    there = "if exists " if if_exists else ""
    if concurrently:
        sql = f"drop index concurrently {there}{name}"
        return Alone(Statement(sql, LockMode.SHARE_UPDATE_EXCLUSIVE, relation, transactional=False))
    return Transaction((Statement(f"drop index {there}{name}", LockMode.ACCESS_EXCLUSIVE, relation),))


def build(sql: str, relation: str, *, concurrently: bool) -> Phase:
    """Carries out a CREATE INDEX, whatever of CONCURRENTLY and IF NOT EXISTS is written in it."""

    def edit(node: Any) -> None:
        node.concurrent = concurrently
        node.if_not_exists = False  # the plan looked: a name alone is no proof

    text = sqlfile.rewritten(sql, edit)
    if concurrently:
        return Alone(Statement(text, LockMode.SHARE_UPDATE_EXCLUSIVE, relation, transactional=False))
    return Transaction((Statement(text, LockMode.SHARE, relation),))


def anew(before: Mapping[str, Any], *, concurrently: bool) -> list[Phase]:
    """Builds a remembered index in the place of what an undo that was stopped has left of it, without its traits."""
    name, relation = quoted(before["schema"], before["name"]), before["relation"]
    return [
        drop(name, relation, concurrently=concurrently, if_exists=True),
        build(definition(before), relation, concurrently=concurrently),
    ]


def rebuilt(before: Mapping[str, Any], *, concurrently: bool) -> list[Phase]:
    """Builds a remembered index again as it was."""
    phases = anew(before, concurrently=concurrently)
    return [*phases, Transaction(tuple(traits(before)))] if traits(before) else phases


def definition(before: Mapping[str, Any]) -> str:
    """A remembered index's CREATE INDEX, with its tablespace."""

    def edit(node: Any) -> None:
        node.table_space = before["tablespace"]

    return sqlfile.rewritten(before["definition"], edit)


def traits(before: Mapping[str, Any]) -> list[Statement]:
    """What a remembered index had beside its definition."""
    name, relation = quoted(before["schema"], before["name"]), before["relation"]
    made = []
    if before["comment"]:
        text = Literal(before["comment"]).as_string()
        made.append(Statement(f"comment on index {name} is {text}", LockMode.SHARE_UPDATE_EXCLUSIVE, relation))
    if before["clustered"]:
        sql = f"alter table {relation} cluster on {quoted(before['name'])}"
        made.append(Statement(sql, LockMode.SHARE_UPDATE_EXCLUSIVE, relation))
    if before["replica_identity"]:
        sql = f"alter table {relation} replica identity using index {quoted(before['name'])}"
        made.append(Statement(sql, LockMode.ACCESS_EXCLUSIVE, relation))
    for column in before["statistics"]:
        number, target = column.split()
        sql = f"alter index {name} alter column {number} set statistics {target}"
        made.append(Statement(sql, LockMode.SHARE_UPDATE_EXCLUSIVE, relation))
    return made
