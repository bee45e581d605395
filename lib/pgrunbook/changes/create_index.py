"""CREATE INDEX: built concurrently unless the runbook asks for a maintenance window.

A partitioned table gets its index ON ONLY itself, each partition one of its own, built concurrently and attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _constraints, _indexes, _partitions
from pgrunbook.changes._alter import accepting, defined_anew, dropped_before
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Change,
    Estimate,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    Transaction,
)
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class IndexState:
    """What stands under an index's name. `on_table` is false where it is no index of that table."""

    oid: int
    on_table: bool
    valid: bool
    definition: str
    building_pid: int


@dataclass(frozen=True, slots=True)
class Signature:
    """All by which two indexes of one table differ, but for their names."""

    signature: str


@dataclass(frozen=True, slots=True)
class _Planned:
    """What the server makes of it; `addition` is what the server puts behind a partition's name (`a_b_idx`)."""

    signature: str
    name: str
    addition: str


@dataclass(frozen=True, slots=True)
class _Size:
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CreateIndex(Change):
    """One CREATE INDEX. `replaces`: an earlier change drops the index that bears its name."""

    kind: ClassVar[str] = "create_index"
    is_index: ClassVar[bool] = True
    is_careful: ClassVar[bool] = True

    schema: str = ""
    name: str = ""
    partitioned: bool = False
    replaces: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateIndex | None:
        if statement.node_kind != "index_stmt":
            return None
        node: Any = statement.node
        return cls(statement, schema=node.relation.schemaname, name=node.idxname)

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def table(self) -> str:
        return str(self._node.relation.relname)

    @property
    def keys(self) -> str:
        """Its columns, as the definition of a constraint names them; empty where it has an expression."""
        columns = [str(p.index_elem.name) for p in self._node.index_params]
        return ", ".join(map(quoted, columns)) if all(columns) else ""

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return quoted(self.schema, self.name) if self.name else f"an index on {self.relation}"

    @property
    def subject(self) -> str:
        return f"index {self.object}"

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def makes(self) -> Relation:
        return Relation(0, self.schema, self.name, "i")

    @property
    def creates_in(self) -> str:
        return self.schema

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"index {self.object}", f"invalid index {self.object}")

    @property
    def _in_parts(self) -> bool:
        """Whether it is built partition by partition; ON ONLY a partitioned table the author does so."""
        return self.partitioned and self.options.concurrently and bool(self._node.relation.inh)

    @property
    def _concurrently(self) -> bool:
        return self.options.concurrently and not self.partitioned

    def resolve(self, names: Names) -> CreateIndex:
        table = names.relation(self.schema, self.table, self.written, "rmp")
        found = replace(self, schema=table.schema, partitioned=table.kind == "p")
        if table.oid and found._in_parts and _partitions.has_foreign(names.db, found.relation):
            raise errors.PreflightFailed(
                f"{found.relation} has a partition on another server, whose index can't be attached (line "
                f"{self.written.line} of migrate.sql)",
                remedy=f"index the partitions one by one, or let it block writes: {accepting(self.label)}",
            )
        named = found if self.name else replace(found, name=found._name_by_the_server(names, table))
        return replace(named, replaces=dropped_before(names, named))

    def _name_by_the_server(self, names: Names, table: Relation) -> str:
        """The name that the server chooses; worked out as it does (ChooseIndexName) where the table is yet to come."""
        if table.oid:
            try:
                return self._of_planned(names.db).name
            except errors.PreflightFailed:
                if not names.earlier:  # it may need what an earlier change makes or renames
                    raise
        parts: list[str] = []
        for element in (p.index_elem for p in [*self._node.index_params, *self._node.index_including_params]):
            called = element.expr.func_call.funcname
            part = str(element.name or (called[-1].string.sval if called else "expr"))
            taken = sum(p.rstrip("0123456789") == part for p in parts)
            parts.append(f"{part}{taken}" if part in parts else part)
        return _constraints.chosen_name(self.table, parts, "idx")

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.idxname = self.name

        return sqlfile.rewritten(self.written.sql, qualify)

    def state(self, db: Database) -> Observation:
        seen = self._seen(db)
        if seen.state is State.DIFFERENT and self.replaces:
            seen = replace(seen, state=State.ABSENT)
        return defined_anew(self, seen, db)

    def _seen(self, db: Database) -> Observation:
        seen = db.one("index_state", IndexState, schema=self.schema, name=self.name, table=self.table)
        if seen is None:
            return self._in_tree(db, 0, NOTHING_THERE) if self._in_parts else NOTHING_THERE
        if seen.building_pid:
            return Observation(State.BUILDING, f"backend {seen.building_pid} is building it", seen.building_pid)
        shown = self._build(concurrently=self._concurrently)
        if not seen.on_table:
            found = seen.definition or "an object that is no index"
            return Observation(State.DIFFERENT, f"planned: {shown}; found: {found}")
        actual = db.one("index_signature", Signature, oid=seen.oid)
        if actual is None or actual.signature != self._of_planned(db).signature:
            return Observation(State.DIFFERENT, f"planned: {shown}; found: {seen.definition}")
        if seen.valid or (self.partitioned and not self._node.relation.inh):
            return Observation(State.PRESENT, seen.definition)
        if self._in_parts:
            there = Observation(State.INVALID, f"not every partition has its part of it: {seen.definition}")
            return self._in_tree(db, seen.oid, there)
        return Observation(State.INVALID, f"left over by a build that did not finish: {seen.definition}")

    def _in_tree(self, db: Database, oid: int, seen: Observation) -> Observation:
        """The same with what is found on the partitions."""
        planned = self._of_planned(db)

        def fits(index: int) -> bool:
            found = db.one("index_signature", Signature, oid=index)
            return found is not None and found.signature == planned.signature

        nodes = _partitions.tree(db, self.relation, (oid, quoted(self.schema, self.name)), planned.addition, fits)
        in_the_way = [n.index for n in nodes if not oid and not n.is_leaf and n.state == _partitions.FREE]
        if in_the_way:
            detail = f"partitioned indexes of its definition are there already: {', '.join(in_the_way)}"
            return Observation(State.DIFFERENT, detail)
        return replace(seen, found=_partitions.as_found(nodes))

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        seen = self._seen(db)
        if captured.get("partitioned") and seen.state is State.ABSENT and not _partitions.is_undone(db, captured):
            return Observation(State.INVALID, "indexes of partitions are left, or not back")
        return seen

    def capture(self, db: Database) -> dict[str, Any]:
        seen = db.one("index_state", IndexState, schema=self.schema, name=self.name, table=self.table)
        captured: dict[str, Any] = {"leftover": seen.definition if seen else ""}
        if self.partitioned:
            captured |= _partitions.remembered(db, self._seen(db))
        return captured

    def foreknown(self) -> dict[str, Any]:
        return {"partitioned": True} if self.partitioned else {}

    def apply(self, seen: Observation) -> list[Phase]:
        if self.plainly(seen):
            return [Transaction((Statement(self._build(), LockMode.SHARE, self.relation),))]
        create = self._build(concurrently=self._concurrently)
        if self._in_parts:
            return self._built_in_parts(seen)
        top: Phase = Transaction((Statement(create, LockMode.SHARE, self.relation),))
        if not self.partitioned:
            top = _indexes.build(create, self.relation, concurrently=self._concurrently)
        return [*(self.undo({}) if seen.state is State.INVALID else []), top]

    def _built_in_parts(self, seen: Observation) -> list[Phase]:
        def on_partition(node: _partitions.Node) -> str:
            return self._build(concurrently=node.is_leaf, only=not node.is_leaf, on=node)

        top = Transaction((Statement(self._build(only=True), LockMode.SHARE, self.relation),))
        is_valid = _partitions.valid(quoted(self.schema, self.name), self.relation)
        return _partitions.built(seen, top, is_valid, on_partition)

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        name, concurrently = quoted(self.schema, self.name), self.options.concurrently
        if captured.get("partitioned", self.partitioned):
            return list(_partitions.dropped(name, self.relation, captured, concurrently=concurrently))
        return [_indexes.drop(name, self.relation, concurrently=concurrently)]

    def clear(self, seen: Observation, captured: Mapping[str, Any]) -> list[Phase]:
        if not self._in_parts:
            return self.undo(captured) if seen.state is State.INVALID else []
        nodes = _partitions.from_found(seen)
        return [
            _indexes.drop(n.index, n.relation, concurrently=True)
            for n in nodes
            if n.is_leaf and n.state == _partitions.INVALID
        ]

    def estimate(self, db: Database) -> Estimate:
        columns = [e.index_elem.name for e in [*self._node.index_params, *self._node.index_including_params]]
        size = db.one(
            "index_estimate",
            _Size,
            schema=self.schema,
            table=self.table,
            columns=[c for c in columns if c],
            expressions=sum(1 for c in columns if not c),
            not_null=self._not_null_columns(),
        )
        if size is None:
            return Estimate()
        # a B-tree build sorts all its tuples, at worst on disk; the final merge and the index exist side by side
        return Estimate(bytes=size.bytes, temporary=size.bytes, rows=size.rows)

    def known(self) -> dict[str, bool]:
        return {"partitioned": self.partitioned}

    def lint(self) -> list[str]:
        if self.fresh:
            return ["on a table of this migration: while that is empty nobody waits, so it is built as it is written"]
        if not self.options.concurrently:
            return [f"blocks writes to {self.relation} for the whole build, as the runbook asks (concurrently = false)"]
        if self.partitioned:
            notes = [f"dropping it locks {self.relation} and all its partitions: ACCESS EXCLUSIVE, briefly"]
            if self._in_parts:
                notes.insert(
                    0,
                    "written, it would block writes to all partitions for the whole build; here it is made ON ONLY "
                    "the parent, built concurrently on each partition, and attached",
                )
            return notes
        if not self._node.concurrent:
            return ["written without CONCURRENTLY, which would block writes for the whole build; built concurrently"]
        return []

    def in_the_way(self, sqlstate: str) -> str:
        if sqlstate != _UNIQUE_VIOLATION or not (self._node.unique and self.keys):
            return ""
        tests = [sqlfile.expression(self._node.where_clause)] if self._node.HasField("where_clause") else []
        tests += [] if self._node.nulls_not_distinct else [f"({self.keys}) is not null"]
        where = f"where {' and '.join(f'({test})' for test in tests)} " if tests else ""
        counted = f"select {self.keys}, count(*) from {self.relation}"  # noqa: S608  shown, not run
        return f"{counted} {where}group by {self.keys} having count(*) > 1"

    def _build(self, *, concurrently: bool = False, only: bool = False, on: _partitions.Node | None = None) -> str:
        def safe(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.idxname = self.name
            node.concurrent = concurrently
            node.if_not_exists = False  # the plan looked: a name alone is no proof
            node.relation.inh = not only and (self._node.relation.inh or not self.partitioned)
            if on:
                node.relation.schemaname, node.relation.relname = on.schema, on.table
                node.idxname = on.name

        return sqlfile.rewritten(self.written.sql, safe)

    def _not_null_columns(self) -> list[str]:
        """The columns of a predicate that is just `a is not null [and …]`, whose share of rows is known."""
        where = self._node.where_clause
        both = where.WhichOneof("node") == "bool_expr" and where.bool_expr.boolop == _PB.AND_EXPR
        columns = []
        for test in where.bool_expr.args if both else [where]:
            fields = test.null_test.arg.column_ref.fields
            if test.null_test.nulltesttype != _PB.IS_NOT_NULL or not fields:  # another test, or one of an expression
                return []
            columns.append(str(fields[-1].string.sval))
        return columns

    def _of_planned(self, db: Database) -> _Planned:
        """The planned index's signature and names, built on an empty temporary copy of the table."""

        def on_copy(node: Any) -> None:
            node.relation.schemaname = "pg_temp"
            node.relation.relname = copied
            node.relation.inh = True
            node.concurrent = False
            node.if_not_exists = False
            node.table_space = ""
            node.idxname = self.name

        def unnamed(node: Any) -> None:
            on_copy(node)
            node.idxname = ""

        copied = self.table
        with scratch(db, self):
            copy = copy_table(db, self.relation, copied)
            db.execute(sqlfile.rewritten(self.written.sql, on_copy if self.name else unnamed))
            made = _index_on(db, copy)
            signature = db.exactly("index_signature", Signature, oid=made[0])
            addition = ""
            if self.partitioned:
                copied = "u" if copied == "t" else "t"
                copy = copy_table(db, copy, copied)
                db.execute(sqlfile.rewritten(self.written.sql, unnamed))
                addition = _index_on(db, copy)[1].removeprefix(f"{copied}_")
        return _Planned(signature.signature, made[1], addition)


def _index_on(db: Database, table: str) -> tuple[int, str]:
    """The oid and the name of the index of a table that has one."""
    rows = db.rows(
        "select i.indexrelid::int8, c.relname::text from pg_catalog.pg_index i"
        " join pg_catalog.pg_class c on c.oid = i.indexrelid where i.indrelid = $1::regclass",
        [table],
    )
    return int(rows[0][0]), str(rows[0][1])
