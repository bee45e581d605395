"""Sequences by their settings in pg_sequence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import Change, Names
from pgrunbook.changes._scratch import scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

SCRATCH = "pgrunbook_sequence"
NOBODY = "none"
# the settings that an option of ALTER SEQUENCE may change
SETTINGS = {
    "as": ("type", "min", "max"), "increment": ("increment",), "minvalue": ("min",), "maxvalue": ("max",),
    "start": ("start",), "cache": ("cache",), "cycle": ("cycle",), "owned_by": ("owned_by",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """A sequence's settings; `owned_by` is the qualified column, or "none"; `identity`: it belongs to that for good."""

    type: str
    start: int
    increment: int
    min: int
    max: int
    cache: int
    cycle: bool
    persistence: str
    owned_by: str
    identity: bool

    def __str__(self) -> str:
        return self.told(())

    def told(self, but: Collection[str]) -> str:
        """The settings as text, but for some of them."""
        words = {
            "persistence": "unlogged" if self.persistence == "u" else "",
            "type": f"as {self.type}",
            "increment": f"increment by {self.increment}",
            "min": f"minvalue {self.min}",
            "max": f"maxvalue {self.max}",
            "start": f"start with {self.start}",
            "cache": f"cache {self.cache}",
            "cycle": "cycle" if self.cycle else "no cycle",
            "owned_by": f"owned by {self.owned_by}",
        }
        return " ".join(["sequence", *(word for name, word in words.items() if word and name not in but)])

    def options(self, *names: str) -> str:
        """Some settings, or all but the owner, as options of CREATE or ALTER SEQUENCE."""
        every = {name for several in SETTINGS.values() for name in several}
        wanted = set(names) or every - {"owned_by"}
        return self.told({"persistence", *every} - wanted).removeprefix("sequence ")


def find(db: Database, name: str) -> Settings | None:
    """A sequence's settings; None where there is no sequence of that name."""
    with db.transaction(search_path="pg_catalog"):
        return db.one("sequence", Settings, name=name)


def altered_by(later: Sequence[Change], schema: str, name: str) -> frozenset[str]:
    """The settings of a sequence that later changes take up."""
    found: set[str] = set()
    for change in later:
        node: Any = change.written.node
        if change.written.node_kind == "alter_seq_stmt":
            own = node.sequence.relname == name and node.sequence.schemaname in ("", schema)
            for option in options_of(node) if own else ():
                found.update(SETTINGS.get(option.defname, ()))
        elif change.written.node_kind == "rename_stmt":  # of the column, or its table
            found.add("owned_by")
        elif change.written.node_kind == "alter_table_stmt" and node.relation.relname == name:
            found.add("persistence")
    return frozenset(found)


def options_of(node: Any) -> list[Any]:
    """The options of CREATE or ALTER SEQUENCE."""
    return [option.def_elem for option in node.options]


def owner_of(options: Sequence[Any]) -> str | None:
    """The column of OWNED BY as written, "none" for NONE, None where there is no OWNED BY."""
    for option in options:
        if option.defname == "owned_by":
            items = [i.string.sval for i in option.arg.list.items]
            return NOBODY if len(items) == 1 else quoted(*items)
    return None


def with_owner(names: Names, node: Any, written: SqlStatement) -> None:
    """Qualify the column of OWNED BY. Raises `PreflightFailed` where its table does not exist."""
    for option in options_of(node):
        items = option.arg.list.items
        if option.defname != "owned_by" or len(items) < 2:
            continue
        *schema, table, column = (i.string.sval for i in items)
        found = names.relation((schema or [""])[0], table, written, "rpf")
        del items[:]
        for part in (found.schema, found.name, column):
            items.add().string.sval = part


def made(db: Database, change: Change, statement: str, like: Settings | None = None) -> Settings:
    """The settings that a statement gives the scratch sequence, which is first made as another one is."""
    with scratch(db, change):
        if like:
            db.execute(f"create temp sequence {SCRATCH} {like.options()}")
        db.execute(statement)
        found = find(db, quoted("pg_temp", SCRATCH))
    if found is None:
        raise errors.PreflightFailed(f"{change.object} can't be made on a copy", remedy="look at its options")
    return (
        replace(found, owned_by=like.owned_by, persistence=like.persistence, identity=like.identity) if like else found
    )


def in_scratch(sql: str) -> str:
    """A CREATE or ALTER SEQUENCE on the scratch sequence, without its owner."""

    def edit(node: Any) -> None:
        node.sequence.schemaname, node.sequence.relname = "pg_temp", SCRATCH
        options = [o for o in node.options if o.def_elem.defname != "owned_by"]
        del node.options[:]
        node.options.extend(options)
        if node.DESCRIPTOR.name == "CreateSeqStmt":
            node.sequence.schemaname, node.sequence.relpersistence, node.if_not_exists = "", "t", False
        else:
            node.missing_ok = False

    return sqlfile.rewritten(sql, edit)
