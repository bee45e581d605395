"""What a table is by the catalog: how definitions are read, and compared where later changes go on from them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import errors
from pgrunbook.changes import _constraints
from pgrunbook.changes._base import Change, LockMode, Names, Relation, Statement, holds_rows
from pgrunbook.changes._parts import is_serial
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
# what a later change may alter as a whole: the options of the table, or so much that only names are left to compare
OPTIONS, ALL = "", "*"
_TELLS_NOTHING = {
    _PB.AT_ChangeOwner, _PB.AT_EnableRowSecurity, _PB.AT_DisableRowSecurity, _PB.AT_ForceRowSecurity,
    _PB.AT_NoForceRowSecurity, _PB.AT_ReplicaIdentity, _PB.AT_ClusterOn, _PB.AT_DropCluster, _PB.AT_EnableTrig,
    _PB.AT_EnableAlwaysTrig, _PB.AT_EnableReplicaTrig, _PB.AT_DisableTrig, _PB.AT_EnableTrigAll,
    _PB.AT_DisableTrigAll, _PB.AT_EnableTrigUser, _PB.AT_DisableTrigUser, _PB.AT_EnableRule, _PB.AT_DisableRule,
}  # fmt: skip
_OF_OPTIONS = {
    _PB.AT_SetRelOptions, _PB.AT_ResetRelOptions, _PB.AT_SetLogged, _PB.AT_SetUnLogged, _PB.AT_SetTableSpace,
    _PB.AT_SetAccessMethod,
}  # fmt: skip
_WORDS = {_PB.CONSTR_PRIMARY: "pkey", _PB.CONSTR_UNIQUE: "key", _PB.CONSTR_CHECK: "check", _PB.CONSTR_EXCLUSION: "excl"}


@dataclass(frozen=True, slots=True)
class Part:
    """The table itself ("table"), one column ("column") or constraint ("constraint"); `name` is quoted."""

    part: str
    name: str
    definition: str
    persistence: str
    tablespace: str
    parents: list[str]
    number: int


def parts_of(db: Database, name: str) -> list[Part]:
    """A relation's parts; none where there is none."""
    with db.transaction(search_path="pg_catalog"):
        return db.fetch("table", Part, name=name)


def lines(parts: Iterable[Part], named: Collection[str], *, tablespaces: bool) -> list[str]:
    """A definition as text, one line a part, equal where tables are.

    The server numbers the names that it chooses itself where one is taken; so only those in `named` are compared whole.
    """
    made = []
    for part in parts:
        name = part.name
        if part.part == "constraint" and name not in named:
            name = re.sub(r'\d*("?)$', r"\1", name)
        words = [f"{part.part} {name}".strip() if part.name else "", part.definition]
        words += ["unlogged"] if part.persistence == "u" else []
        words += [f"inherits {', '.join(part.parents)}"] if part.parents else []
        words += [f"tablespace {quoted(part.tablespace)}"] if part.tablespace and tablespaces else []
        made.append(" ".join(filter(None, words)))
    columns = [line for line in made if line.startswith("column ")]
    return [*(line for line in made[:1]), *columns, *sorted(line for line in made[1:] if line not in columns)]


def without(definition: Sequence[str], touched: Collection[str]) -> list[str]:
    """The lines of a definition that no later change alters."""
    head, *rest = definition
    kept = [] if OPTIONS in touched else [head]
    names = [re.escape(name) for name in touched if name]
    mentions = re.compile(rf'(?<![\w"])(?:{"|".join(names)})(?![\w"])') if names else None
    return kept + [line for line in rest if not (mentions and mentions.search(line))]


def difference(planned: Sequence[str], found: Sequence[str]) -> str:
    """Where two definitions differ, for a reader."""
    only = [line for line in planned if line not in found] or ["columns in that order"]
    other = [line for line in found if line not in planned] or ["another order, or nothing of it"]
    return f"planned: {'; '.join(only)}; found: {'; '.join(other)}"


def touched_by(later: Sequence[Change], tables: Collection[tuple[str, str]], sequences: Mapping[str, str]) -> set[str]:
    """The quoted names of columns and constraints that later changes alter; OPTIONS or ALL for what has no name.

    `tables` are schemas and names; `sequences` are a table's own, with the columns that they number.
    """
    found: set[str] = set()
    for change in later:
        node: Any = change.written.node
        kind = change.written.node_kind
        if kind == "alter_table_stmt":
            own = any(_is(node.relation, table) for table in tables)
            for command in (c.alter_table_cmd for c in node.cmds):
                if any(_is(getattr(command, "def").partition_cmd.name, table) for table in tables):
                    found.add(ALL)
                if own:
                    found |= set(_of_command(command))
            idents = [i.partition(" ") for i in change.idents] if own else []
            heads = [f"{quoted(*table)}." for table in tables]
            found |= {i.removeprefix(h) for k, _, i in idents for h in heads if k in _PARTS and i.startswith(h)}
        elif kind == "rename_stmt" and any(_is(node.relation, table) for table in tables):
            found |= {quoted(n) for n in (node.subname, node.newname) if n}
        elif kind == "rename_stmt" and not node.HasField("relation"):
            found |= {quoted(n.string.sval) for n in node.object.list.items} | {quoted(node.newname)}
        elif kind == "alter_seq_stmt":
            owners = [o.def_elem.arg.list.items for o in node.options if o.def_elem.defname == "owned_by"]
            found |= {quoted(items[-1].string.sval) for items in owners if len(items) > 1}
            if node.sequence.relname in sequences:
                found.add(quoted(sequences[node.sequence.relname]))
    return found


_PARTS = ("column", "constraint")


def _is(relation: Any, table: tuple[str, str]) -> bool:
    return bool(relation.relname == table[1] and relation.schemaname in ("", table[0]))


def _of_command(command: Any) -> Iterator[str]:
    made = getattr(command, "def")
    constraint = made.constraint
    names = [command.name, made.column_def.colname, constraint.conname]
    names += [k.string.sval for k in [*constraint.keys, *constraint.including]]
    yield from (quoted(n) for n in names if n)
    if any(names) or command.subtype in _TELLS_NOTHING:
        return
    if command.subtype == _PB.AT_AddConstraint:
        return
    yield OPTIONS if command.subtype in _OF_OPTIONS else ALL


def columns_of(node: Any) -> list[Any]:
    """The columns that a CREATE TABLE writes."""
    return [e.column_def for e in node.table_elts if e.HasField("column_def")]


def has_sequence(column: Any) -> bool:
    """Whether a column brings a sequence along."""
    return is_serial(column) or any(c.constraint.contype == _PB.CONSTR_IDENTITY for c in column.constraints)


def sequences_of(node: Any) -> dict[str, str]:
    """The names that the server gives the sequences of a CREATE TABLE, with the columns that they number."""
    table = str(node.relation.relname)
    return {_sequence(table, c): str(c.colname) for c in columns_of(node) if has_sequence(c)}


def _sequence(table: str, column: Any) -> str:
    for constraint in (c.constraint for c in column.constraints):
        for option in (o.def_elem for o in constraint.options):
            if option.defname == "sequence_name":
                return str(option.arg.list.items[-1].string.sval)
    return _constraints.chosen_name(table, [column.colname], "seq")


def constraints_of(node: Any) -> list[tuple[Any, list[str]]]:
    """The constraints of a CREATE TABLE that have names, each with the columns that the server names it after."""
    found: list[tuple[Any, list[str]]] = []
    for element in node.table_elts:
        own = [c.constraint for c in element.column_def.constraints]
        found += [(c, [str(element.column_def.colname)]) for c in own if c.contype in _WORDS]
        made = element.constraint
        if element.HasField("constraint") and made.contype in _WORDS:
            found.append((made, [k.string.sval for k in [*made.keys, *made.including]]))
    return found


def name_of(table: str, constraint: Any, columns: list[str]) -> str:
    """A constraint's name, or the one that the server chooses; a check's is not certain then."""
    after = [] if constraint.contype == _PB.CONSTR_PRIMARY else columns
    return str(constraint.conname) or _constraints.chosen_name(table, after, _WORDS[constraint.contype])


def has_index(constraint: Any) -> bool:
    return bool(constraint.contype != _PB.CONSTR_CHECK)


def is_elsewhere(relation: Any) -> bool:
    """Whether a relation that is made is temporary, or named with a database."""
    return bool(relation.relpersistence == "t" or relation.schemaname == "pg_temp" or relation.catalogname)


def creation_schema(names: Names, written: SqlStatement, name: str) -> str:
    """The schema of an unqualified name that is made. Raises `PreflightFailed` where there is none."""
    if schema := names.creation_schema:
        return schema
    raise errors.PreflightFailed(
        f"line {written.line} of migrate.sql makes {name} in no schema: none of the search_path exists",
        remedy="check the runbook's search_path and the target",
    )


def dropped(relation: str) -> Statement:
    return Statement(f"drop table {relation}", LockMode.ACCESS_EXCLUSIVE, relation)


def rows_in(db: Database, relation: str) -> str:
    """A table's rows as a loss; empty where it holds none, or is not there."""
    if db.value("select pg_catalog.to_regclass($1)", [relation]) is None:
        return ""
    return f"the rows in {relation}" if holds_rows(db, relation) else ""


def default_partition(names: Names, parent: Relation) -> str:
    found = names.db.value(
        "select pg_catalog.format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_partitioned_table p"
        " join pg_catalog.pg_class c on c.oid = p.partdefid"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace where p.partrelid = $1::oid",
        [parent.oid],
    )
    return str(found or "")
