"""A partitioned table's index: one on each partition at every level, built apart and attached from the bottom up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.sql import Literal

from pgrunbook import sqlfile
from pgrunbook.changes import _constraints, _indexes
from pgrunbook.changes._base import LockMode, Look, Observation, Phase, State, Statement, Transaction
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

MISSING, INVALID, FREE, ATTACHED = "missing", "invalid", "free", "attached"


@dataclass(frozen=True, slots=True)
class _Row:
    """A partition with one of its indexes; oids are 0 for none."""

    schema: str
    name: str
    kind: str
    level: int
    parent: int
    oid: int
    index: int
    index_name: str
    valid: bool
    part_of: int


@dataclass(frozen=True, slots=True)
class Node:
    """One partition and the index on it: there in some `state`, or to be made under that name.

    `index` and `parent` (the index that it becomes a part of) are quoted names; `name` is the index's plain one.
    """

    schema: str
    table: str
    kind: str
    level: int
    name: str
    parent: str
    state: str

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def index(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def is_leaf(self) -> bool:
        return self.kind != "p"


def has_foreign(db: Database, relation: str) -> bool:
    """Whether a partition is on another server, so that its index can't be attached."""
    return any(row.kind == "f" for row in _rows(db, relation))


def _rows(db: Database, relation: str) -> list[_Row]:
    return db.fetch("partition_indexes", _Row, table=relation)


def tree(db: Database, relation: str, top: tuple[int, str], addition: str, fits: Callable[[int], bool]) -> list[Node]:
    """The partitions below a table from the top down.

    `top` is the parent's index, by oid (0 while it is not there) and quoted name; `addition` is what a name has behind
    the partition's (`a_b_idx`); `fits` says whether an index is of the planned definition.
    """
    nodes: list[Node] = []
    made: dict[int, tuple[int, str]] = {}
    partitions: dict[int, list[_Row]] = {}
    for row in _rows(db, relation):
        partitions.setdefault(row.oid, []).append(row)
    taken: set[str] = set()
    for oid, rows in partitions.items():
        first = rows[0]
        parent, parent_name = made.get(first.parent, top)
        attached = next((r for r in rows if parent and r.part_of == parent), None)
        free = [r for r in rows if r.index and not r.part_of and fits(r.index)]
        best = attached or next((r for r in free if r.valid), None) or next(iter(free), None)
        if best is None:
            name, state = _free_name(db, first.schema, first.name, addition, taken), MISSING
        else:
            name = best.index_name
            # an index ON ONLY a partitioned table is valid once all below it are attached
            usable = best.valid or best.kind == "p"
            state = ATTACHED if attached else FREE if usable else INVALID
        taken.add(quoted(first.schema, name))
        made[oid] = (best.index if best else 0, quoted(first.schema, name))
        nodes.append(Node(first.schema, first.name, first.kind, first.level, name, parent_name, state))
    return nodes


def _free_name(db: Database, schema: str, partition: str, addition: str, taken: set[str]) -> str:
    """The name that the server would choose: numbered where one is taken."""
    *columns, word = addition.rsplit("_", 1)
    number = 0
    while True:
        name = _constraints.chosen_name(partition, columns, f"{word}{number or ''}")
        full = quoted(schema, name)
        if full not in taken and db.value("select pg_catalog.to_regclass($1)", [full]) is None:
            return name
        number += 1


def as_found(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Nodes as an Observation carries them."""
    return tuple(json.dumps(asdict(node), ensure_ascii=False) for node in nodes)


def from_found(seen: Observation) -> list[Node]:
    return [Node(**json.loads(text)) for text in seen.found]


def built(seen: Observation, top: Phase, is_valid: Look, on_partition: Callable[[Node], str]) -> list[Phase]:
    """The way to a valid index from where it stands; `on_partition` gives a node's CREATE INDEX (… ON ONLY)."""
    nodes = from_found(seen)
    phases = [] if seen.state is State.INVALID else [top]
    for node in nodes:
        if not node.is_leaf and node.state == MISSING:
            phases.append(Transaction((Statement(on_partition(node), LockMode.SHARE, node.relation),)))
    for node in nodes:
        if node.is_leaf and node.state == INVALID:
            phases.append(_indexes.drop(node.index, node.relation, concurrently=True))
        if node.is_leaf and node.state in (MISSING, INVALID):
            phases.append(_indexes.build(on_partition(node), node.relation, concurrently=True))
        if node.is_leaf and node.state != ATTACHED:
            phases.append(_attached(node))
    phases += [_attached(n) for n in reversed(nodes) if not n.is_leaf and n.state != ATTACHED]
    return [*phases, is_valid]


def _attached(node: Node) -> Transaction:
    sql = f"alter index {node.parent} attach partition {node.index}"
    return Transaction((Statement(sql, LockMode.ACCESS_EXCLUSIVE, node.relation),))


def valid(index: str, relation: str) -> Look:
    """Looks whether all partitions have their part."""
    name = Literal(index).as_string()
    body = (
        f"begin if not (select indisvalid from pg_catalog.pg_index where indexrelid = {name}::pg_catalog.regclass) "  # noqa: S608
        f"then raise exception 'not every partition has its part of %', {name} "
        "using errcode = 'object_not_in_prerequisite_state'; end if; end"
    )
    sql = f"do {Literal(body).as_string()}"
    return Look(Statement(sql, LockMode.NONE, relation))


def remembered(db: Database, seen: Observation) -> dict[str, Any]:
    """What an undo has to know: the indexes that will be made, and those that were there and will be taken over."""
    nodes = from_found(seen)
    own = [n for n in nodes if n.state in (MISSING, INVALID)]
    # those attached to a leftover go with it, and are not this run's either
    found = [_indexes.find(db, n.schema, n.name) for n in nodes if n.state in (FREE, ATTACHED) and n.is_leaf]
    return {
        "partitioned": True,
        "leaves": [[n.schema, n.name, n.relation] for n in own if n.is_leaf],
        "between": [[n.schema, n.name, n.relation] for n in own if not n.is_leaf],
        "taken_over": [f.remembered for f in found if f],
    }


def dropped(index: str, relation: str, captured: Mapping[str, Any], *, concurrently: bool) -> Iterator[Phase]:
    """The way back: the parent's index with all that is attached, then what is not attached."""
    yield _indexes.drop(index, relation, concurrently=False, if_exists=True)
    for schema, name, table in captured.get("between", []):
        yield _indexes.drop(quoted(schema, name), table, concurrently=False, if_exists=True)
    for schema, name, table in captured.get("leaves", []):
        yield _indexes.drop(quoted(schema, name), table, concurrently=concurrently, if_exists=True)
    for before in captured.get("taken_over", []):
        yield from _indexes.rebuilt(before, concurrently=concurrently)


def is_undone(db: Database, captured: Mapping[str, Any]) -> bool:
    """Whether nothing of its own is left, and all that it took over is back."""
    own = [*captured.get("between", []), *captured.get("leaves", [])]
    if any(_indexes.find(db, schema, name) for schema, name, _ in own):
        return False
    back = [_indexes.find(db, b["schema"], b["name"]) for b in captured.get("taken_over", [])]
    return bool([b.remembered for b in back if b] == captured.get("taken_over", []))


def parts_of(db: Database, schema: str, name: str) -> list[_indexes.Index]:
    """The indexes that a partitioned index consists of, from the top down."""
    rows = db.rows(
        "select n.nspname::text, c.relname::text from pg_catalog.pg_partition_tree($1::regclass) t"
        " join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where t.level > 0 order by t.level, 1, 2",
        [quoted(schema, name)],
    )
    found = (_indexes.find(db, *row) for row in rows)
    return [index for index in found if index]


def rebuilt(top: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], *, concurrently: bool) -> list[Phase]:
    """Builds a remembered partitioned index and its parts again, in the place of what a stopped undo left of them."""

    def only(before: Mapping[str, Any]) -> Phase:
        def edit(node: Any) -> None:
            node.relation.inh = False

        sql = sqlfile.rewritten(_indexes.definition(before), edit)
        return Transaction((Statement(sql, LockMode.SHARE, before["relation"]),))

    every = [top, *parts]
    phases = [
        _indexes.drop(_name(b), b["relation"], concurrently=False, if_exists=True) for b in every if b["partitioned"]
    ]
    phases += [only(b) for b in every if b["partitioned"]]
    for before in parts:
        if not before["partitioned"]:
            phases += _indexes.anew(before, concurrently=concurrently)
    for before in reversed(parts):
        sql = f"alter index {before['parent']} attach partition {_name(before)}"
        phases.append(Transaction((Statement(sql, LockMode.ACCESS_EXCLUSIVE, before["relation"]),)))
    traits = [statement for before in every for statement in _indexes.traits(before)]
    return [*phases, Transaction(tuple(traits))] if traits else phases


def _name(before: Mapping[str, Any]) -> str:
    return quoted(before["schema"], before["name"])
