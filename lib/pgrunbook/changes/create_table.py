"""CREATE TABLE: known by its definition in the catalog; its foreign keys are changes of their own (`_parts.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _tables
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.changes._constraints import chosen_name
from pgrunbook.changes._made import MakesRelation
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_OF_TABLES = ("create_table", "create_table_as", "drop_table")
_NOT_COMPARED = "LIKE copies more than is compared here: indexes that are no constraint's, comments and statistics"


@dataclass(frozen=True, slots=True)
class CreateTable(MakesRelation, Defined):
    """One CREATE TABLE without foreign keys.

    `parent` is the table whose partition it is, or from which it inherits first, `default_partition` its default one.
    `moved_to` is the name that an earlier change gives the table that bears its name now. `touched` are what later
    changes alter of it, as `_tables.touched_by` says.
    """

    kind: ClassVar[str] = "create_table"
    may_lose: ClassVar[bool] = True

    parent: str = ""
    default_partition: str = ""
    moved_to: str = ""
    touched: frozenset[str] = frozenset()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateTable | None:
        node: Any = statement.node
        if statement.node_kind != "create_stmt" or _tables.is_elsewhere(node.relation):
            return None
        keys = [c.constraint for c in node.table_elts] + [
            c.constraint for column in _tables.columns_of(node) for c in column.constraints
        ]
        return None if any(k.contype == _PB.CONSTR_FOREIGN for k in keys) else cls(statement)

    @property
    def _range(self) -> Any:
        return self._node.relation

    @property
    def subject(self) -> str:
        return f"table {self.object}"

    @property
    def relation(self) -> str:
        return self.parent

    @property
    def makes(self) -> Relation:
        return Relation(0, self.schema, self.name, "p" if self._node.HasField("partspec") else "r")

    @property
    def idents(self) -> tuple[str, ...]:
        columns = [str(c.colname) for c in _tables.columns_of(self._node)]
        found = [f"relation {self.object}", *(f"column {quoted(self.schema, self.name, c)}" for c in columns)]
        # NOT NULL is a constraint from 18 on
        constraints = {chosen_name(self.name, [c], "not_null") for c in columns}
        for constraint, after in _tables.constraints_of(self._node):
            name = _tables.name_of(self.name, constraint, after)
            constraints.add(name)
            found += [f"index {quoted(self.schema, name)}"] if _tables.has_index(constraint) else []
        found += [f"constraint {quoted(self.schema, self.name, c)}" for c in sorted(constraints)]
        for sequence in _tables.sequences_of(self._node):
            found += [f"{word} {quoted(self.schema, sequence)}" for word in ("relation", "sequence")]
        return tuple(found)

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> CreateTable:
        schema = self.schema or _tables.creation_schema(names, self.written, self.name)
        kinds = "p" if self._node.HasField("partbound") else "rf"
        parents = [
            names.relation(p.range_var.schemaname, p.range_var.relname, self.written, kinds)
            for p in self._node.inh_relations
        ]
        sources = {
            n: names.relation(e.table_like_clause.relation.schemaname, e.table_like_clause.relation.relname,
                              self.written, "rpvmfc")
            for n, e in enumerate(self._node.table_elts) if e.HasField("table_like_clause")
        }  # fmt: skip

        def qualify(node: Any) -> None:
            node.relation.schemaname = schema
            for place, parent in zip(node.inh_relations, parents, strict=True):
                place.range_var.schemaname = parent.schema
            for n, source in sources.items():
                node.table_elts[n].table_like_clause.relation.schemaname = source.schema

        known = CreateTable(part_of(self.written, qualify), self.options)
        parent = parents[0] if parents else None
        vacated = names.vacated(known.object)
        moving = (c for c in reversed(names.earlier) if vacated and c.renames and c.takes_away(known))
        return replace(
            known,
            moved_to=next((c.object for c in moving), ""),
            parent=str(parent or ""),
            default_partition=_tables.default_partition(names, parent) if kinds == "p" and parent else "",
        )

    def follow(self, names: Names) -> None:
        names.add(self.makes)
        for sequence in _tables.sequences_of(self._node):
            names.add(Relation(0, self.schema, sequence, "S"))
        kind = "I" if self.makes.kind == "p" else "i"
        for constraint, after in _tables.constraints_of(self._node):
            if _tables.has_index(constraint):
                name = _tables.name_of(self.name, constraint, after)
                names.add(Relation(0, self.schema, name, kind))

    def followed_by(self, later: Sequence[Change]) -> Change:
        sources = [e.table_like_clause.relation for e in self._node.table_elts if e.HasField("table_like_clause")]
        read = [*sources, *(p.range_var for p in self._node.inh_relations)]
        tables = [(self.schema, self.name), *((str(r.schemaname), str(r.relname)) for r in read)]
        touched = _tables.touched_by(later, tables, _tables.sequences_of(self._node))
        subject = self.subject  # to ask thousands for theirs takes long
        same = (c for c in later if (c.kind in _OF_TABLES and c.subject == subject) or c.takes_away(self))
        moved_on = any(self.moved_to in (str(getattr(c, "old", "")), c.object) for c in later if self.moved_to)
        moved_to = "" if moved_on else self.moved_to
        return replace(self, later=next(same, None), touched=frozenset(touched), moved_to=moved_to)

    def resolved_sql(self) -> str:
        return self.written.sql

    # -- state ---------------------------------------------------------------------------------------------

    def now(self, db: Database) -> str | None:
        return "; ".join(self._now(db)) or None

    def planned(self, db: Database) -> str | None:
        return "; ".join(self._planned_lines(db))

    def standing(self, db: Database) -> Observation:
        seen = Defined.standing(self, db)
        if seen.state is State.PRESENT and self.moved_to:
            moved = db.one("relation", Relation, name=self.moved_to)
            return seen if moved else NOTHING_THERE  # what stands there is the one of before
        return seen

    def _state(self, db: Database) -> Observation:
        return self._compared(db, self.touched)

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        return self._compared(db, captured.get("touched", []))

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002  what may stand there goes by another change
        return {"before": None, "touched": sorted(self.touched)}

    def _compared(self, db: Database, touched: Sequence[str] | frozenset[str]) -> Observation:
        found = self._now(db)
        if not found:
            return NOTHING_THERE
        if _tables.ALL in touched:
            return self._by_names(db, touched, "a later line makes it a part of another table")
        try:
            planned = self._planned_lines(db)
        except errors.PreflightFailed as e:  # what it needs is made by an earlier change, or taken away by a later one
            if touched:
                return self._by_names(db, touched, e.message)
            return Observation(State.DIFFERENT, f"planned: {e.message}; found: {'; '.join(found)}")
        kept = [_tables.without(lines, touched) for lines in (planned, found)]
        if kept[0] != kept[1]:
            return Observation(State.DIFFERENT, _tables.difference(*kept))
        told = f"{len(kept[1])} parts of its definition are as planned"
        return Observation(State.PRESENT, f"{told}; {_NOT_COMPARED}" if self._copies_more else told)

    def _by_names(self, db: Database, touched: Sequence[str] | frozenset[str], reason: str) -> Observation:
        """Compare the columns' names alone."""
        there = {p.name for p in _tables.parts_of(db, self.object) if p.part == "column"}
        wanted = {quoted(c.colname) for c in _tables.columns_of(self._node)} - set(touched)
        if missing := wanted - there:
            return Observation(State.DIFFERENT, f"planned: columns {', '.join(sorted(missing))}; found: none of them")
        return Observation(State.PRESENT, f"only its columns' names are compared: {reason}")

    @property
    def _named(self) -> set[str]:
        """The names of constraints that the statement gives itself."""
        return {quoted(c.conname) for c, _ in _tables.constraints_of(self._node) if c.conname}

    def _now(self, db: Database) -> list[str]:
        return _tables.lines(_tables.parts_of(db, self.object), self._named, tablespaces=self._in_tablespace)

    @property
    def _in_tablespace(self) -> bool:
        return bool(self._node.tablespacename)

    def _planned_lines(self, db: Database) -> list[str]:
        """What the server makes of it as a temporary table, below temporary copies of its parents."""
        parents = [p.range_var for p in self._node.inh_relations]
        written = [quoted(p.schemaname, p.relname) for p in parents]
        copies = [f"pgrunbook_parent_{n}" for n in range(len(parents))]

        def in_temp(node: Any) -> None:
            node.if_not_exists = False
            node.relation.schemaname, node.relation.relpersistence = "", "t"
            for place, copy in zip(node.inh_relations, copies, strict=True):
                place.range_var.schemaname, place.range_var.relname = "pg_temp", copy
            for column in _tables.columns_of(node):
                for constraint in (c.constraint for c in column.constraints):
                    kept = [o for o in constraint.options if o.def_elem.defname != "sequence_name"]
                    del constraint.options[:]
                    constraint.options.extend(kept)

        with scratch(db, self):
            for parent, copy in zip(written, copies, strict=True):
                key = db.value(
                    "select pg_catalog.pg_get_partkeydef($1::pg_catalog.regclass)"
                    " from pg_catalog.pg_class where oid = $1::pg_catalog.regclass and relkind = 'p'",
                    [parent],
                )
                copy_table(db, parent, copy, including="all", partitioned_by=key or "")
            db.execute(sqlfile.rewritten(self.written.sql, in_temp))
            made = _tables.parts_of(db, quoted("pg_temp", self.name))
        own = replace(made[0], persistence=self._node.relation.relpersistence, parents=written)
        return _tables.lines([own, *made[1:]], self._named, tablespaces=self._in_tablespace)

    # -- statements ----------------------------------------------------------------------------------------

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        def plain(node: Any) -> None:
            node.if_not_exists = False  # a name alone is no proof

        lock = LockMode.NONE
        if self._node.inh_relations:
            lock = LockMode.ACCESS_EXCLUSIVE if self._is_partition else LockMode.SHARE_UPDATE_EXCLUSIVE
        return one_transaction(Statement(sqlfile.rewritten(self.written.sql, plain), lock, self.parent))

    @property
    def _copies_more(self) -> bool:
        return any(e.table_like_clause.options for e in self._node.table_elts)

    @property
    def _is_partition(self) -> bool:
        return bool(self._node.HasField("partbound"))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(_tables.dropped(self.object))

    def loss(self, db: Database) -> str:
        return _tables.rows_in(db, self.object)

    def lint(self) -> list[str]:
        notes: list[str] = []
        if self._is_partition and not self.fresh:
            notes.append(
                f"takes ACCESS EXCLUSIVE on {self.parent}, briefly, under lock_timeout with retries, and its way back "
                "does so too; made by itself and attached (ALTER TABLE … ATTACH PARTITION) it would let rows be read "
                "and written meanwhile"
            )
        if self.default_partition:
            notes.append(
                f"and reads the whole of {self.default_partition}, the default partition, while that is locked: no "
                "row that belongs into the new one may lie there"
            )
        if self._copies_more:
            notes.append(_NOT_COMPARED)
        return notes
