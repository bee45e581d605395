"""DROP INDEX: dropped concurrently; the way back builds it again as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _indexes, _partitions
from pgrunbook.changes._alter import dropped_before
from pgrunbook.changes._base import Change, Defined, Names, Observation, Phase, State
from pgrunbook.changes._indexes import Index
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_PARTITIONED = "partitioned"


@dataclass(frozen=True, slots=True)
class DropIndex(Defined):
    """One index of a DROP INDEX; `table` is the relation that it is of, as far as it is there."""

    kind: ClassVar[str] = "drop_index"
    is_index: ClassVar[bool] = True
    drops: ClassVar[bool] = True

    schema: str = ""
    name: str = ""
    table: str = ""
    partitioned: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DropIndex | None:
        node: Any = statement.node
        if statement.node_kind != "drop_stmt" or node.remove_type != _PB.OBJECT_INDEX or len(node.objects) != 1:
            return None
        if node.behavior == _PB.DROP_CASCADE:
            return None
        *schema, name = [item.string.sval for item in node.objects[0].list.items]
        return cls(statement, schema=".".join(schema), name=name) if len(schema) < 2 else None

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def subject(self) -> str:
        return f"index {self.object}"

    @property
    def relation(self) -> str:
        return self.table

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"index {self.object}", f"invalid index {self.object}")

    def may_follow(self, before: Change) -> bool:
        return isinstance(before, CreateIndex) or Defined.may_follow(self, before)

    def resolve(self, names: Names) -> DropIndex:
        resolved = self._found(names)
        dropped_before(names, resolved, drops=True)
        return resolved

    def _found(self, names: Names) -> DropIndex:
        found = names.find(self.schema, self.name)
        where = f"line {self.written.line} of migrate.sql"
        if found is None:
            return replace(self, schema=self.schema or names.creation_schema)
        if not self.schema and found.schema != names.creation_schema:
            raise errors.PreflightFailed(
                f"{where} drops {found} without naming its schema; once it is gone the name means another one",
                remedy=f"write it as {found}",
            )
        if found.kind not in "iI":
            raise errors.PreflightFailed(f"{found} is no index, and {where} drops one", remedy="name an index")
        index = _indexes.find(names.db, found.schema, found.name)
        if index:
            _refuse_needed(index, where)
        table = index.relation if index else ""
        return replace(self, schema=found.schema, table=table, partitioned=found.kind == "I")

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            items = node.objects[0].list.items
            del items[:]
            for part in (self.schema, self.name):
                items.add().string.sval = part
            node.concurrent, node.missing_ok = False, True

        return sqlfile.rewritten(self.written.sql, qualify)

    def now(self, db: Database) -> str | None:
        index = _indexes.find(db, self.schema, self.name)
        return index.definition if index else None

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return None

    def state(self, db: Database) -> Observation:
        # not `super()`: a class with slots is made anew, and its methods know the old one
        seen = Defined.state(self, db)
        return replace(seen, found=(_PARTITIONED,)) if self.partitioned else seen

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        index = _indexes.find(db, self.schema, self.name)
        before = captured.get("index")
        if index is None or before is None:
            return Observation(State.PRESENT if index is None else State.DIFFERENT, "is not there" if not index else "")
        if index.remembered == before and not self._tree_is_incomplete(db, captured):
            return Observation(State.ABSENT, "is as it was before")
        if index.relation == before["relation"] and index.definition == before["definition"]:
            return Observation(State.PRESENT, "not all of it is back")
        return Observation(State.DIFFERENT, f"planned: none; found: {index.definition}")

    def _tree_is_incomplete(self, db: Database, captured: Mapping[str, Any]) -> bool:
        parts: list[dict[str, Any]] = captured.get("parts", [])
        found = [_indexes.find(db, p["schema"], p["name"]) for p in parts]
        return [f.remembered for f in found if f] != parts

    def capture(self, db: Database) -> dict[str, Any]:
        index = _indexes.find(db, self.schema, self.name)
        if index is None:
            return {}
        if not index.valid and not index.partitioned:
            return {"leftover": index.definition}
        captured: dict[str, Any] = {"index": index.remembered, "before": index.definition}
        if index.partitioned:
            captured["parts"] = [part.remembered for part in _partitions.parts_of(db, self.schema, self.name)]
        return captured

    def apply(self, seen: Observation) -> list[Phase]:
        concurrently = self.options.concurrently and _PARTITIONED not in seen.found
        return [_indexes.drop(self.object, self.relation, concurrently=concurrently)]

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        before = captured.get("index")
        if before is None:
            return []
        concurrently = self.options.concurrently
        if before["partitioned"]:
            return _partitions.rebuilt(before, captured["parts"], concurrently=concurrently)
        return _indexes.rebuilt(before, concurrently=concurrently)

    def clear(self, seen: Observation, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return []  # what a drop that was stopped leaves is dropped by the next attempt

    def known(self) -> dict[str, bool]:
        return {"partitioned": self.partitioned}

    def lint(self) -> list[str]:
        notes = []
        node: Any = self.written.node
        if self.partitioned:
            notes.append(
                f"locks {self.relation} and all its partitions, ACCESS EXCLUSIVE, briefly: a partitioned index can't "
                "be dropped concurrently"
            )
        elif not self.options.concurrently:
            notes.append("locks its table ACCESS EXCLUSIVE, as the runbook asks (concurrently = false)")
        elif not node.concurrent:
            notes.append("written without CONCURRENTLY, which would wait for its lock in front of all traffic")
        return [*notes, "the way back builds the index again, which takes as long as it did once"]


def _refuse_needed(index: Index, where: str) -> None:
    """Raise `PreflightFailed` where something stands on the index."""
    if index.constraint_name:
        constraint = quoted(index.constraint_name)
        raise errors.PreflightFailed(
            f"{index} stands behind constraint {constraint} of {index.relation}, so {where} can't drop it",
            remedy=f"alter table {index.relation} drop constraint {constraint}",
        )
    if index.parent:
        raise errors.PreflightFailed(
            f"{index} is a part of {index.parent}, so {where} can't drop it", remedy=f"drop index {index.parent}"
        )
    if index.needed_by:
        raise errors.PreflightFailed(
            f"the foreign keys {index.needed_by} need {index}, so {where} can't drop it",
            remedy="drop these first, or keep it",
        )
