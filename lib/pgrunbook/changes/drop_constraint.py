"""ALTER TABLE … DROP CONSTRAINT; the way back is the safe form of adding it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors
from pgrunbook.changes import _constraints, _indexes
from pgrunbook.changes._alter import AlterTable, dropped_before, only_command
from pgrunbook.changes._base import Change, Defined, Names, Observation, Phase, State, Transaction, one_transaction
from pgrunbook.changes.add_constraint import PARTITIONED_NOT_VALID, AddConstraint
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_WITH_INDEX = "pu"


@dataclass(frozen=True, slots=True)
class DropConstraint(AlterTable, Defined):
    """One DROP CONSTRAINT. `blocks` says why the way back can't let traffic pass; empty where it can."""

    kind: ClassVar[str] = "drop_constraint"
    drops: ClassVar[bool] = True

    blocks: str = ""
    partitioned: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DropConstraint | None:
        command = only_command(statement, _PB.AT_DropConstraint)
        node: Any = statement.node
        if command is None or command.behavior == _PB.DROP_CASCADE:
            return None
        return cls(statement, schema=node.relation.schemaname)

    @property
    def name(self) -> str:
        return str(self._command.name)

    @property
    def label(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.name)

    @property
    def subject(self) -> str:
        return f"constraint {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        index = quoted(self.schema, self.name)
        return (f"constraint {self.object}", f"index {index}", f"invalid index {index}")

    def may_follow(self, before: Change) -> bool:
        return isinstance(before, AddConstraint) or Defined.may_follow(self, before)

    def resolve(self, names: Names) -> DropConstraint:
        table = self._found_table(names)
        found = replace(self, schema=table.schema)
        dropped_before(names, found, drops=True)
        now = _constraints.find(names.db, found.relation, found.name)
        if now is None:
            return found
        where = f"line {self.written.line} of migrate.sql"
        if now.inherited:
            raise errors.PreflightFailed(
                f"{found.object} comes from a parent of {table}, so {where} can't drop it",
                remedy="drop it of the parent",
            )
        if now.type == "t" or now.triggers_altered:
            raise errors.PreflightFailed(
                f"{found.object} has triggers of its own or disabled ones, which no undo could bring back ({where})",
                remedy="drop the trigger, or enable it, by a statement of its own",
            )
        blocks = "an exclusion constraint builds its index at once" if now.type == "x" else ""
        if table.kind == "p" and now.type in _WITH_INDEX:
            blocks = f"{table} is partitioned, and a constraint can't take over a partitioned index"
        if table.kind == "p" and now.type == "f" and now.validated and names.db.version < PARTITIONED_NOT_VALID:
            blocks = f"{table} is partitioned, and before PostgreSQL 18 its foreign keys can't be NOT VALID"
        return replace(found, blocks=blocks, partitioned=table.kind == "p" and now.type in _WITH_INDEX)

    def now(self, db: Database) -> str | None:
        found = _constraints.find(db, self.relation, self.name)
        return found.shown if found else None

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return None

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        now, before = _constraints.find(db, self.relation, self.name), captured.get("constraint")
        if now is None:
            return Observation(State.PRESENT, "is not there")
        if before is None or now.definition != before["definition"]:
            return Observation(State.DIFFERENT, f"planned: none; found: {now.shown}")
        if now.validated == before["validated"] and now.comment == before["comment"]:
            return Observation(State.ABSENT, "is as it was before")
        return Observation(State.PRESENT, "not all of it is back")

    def capture(self, db: Database) -> dict[str, Any]:
        now = _constraints.find(db, self.relation, self.name)
        if now is None:
            return {}
        captured: dict[str, Any] = {"constraint": now.remembered, "blocks": self.blocks}
        if now.index:
            index = _indexes.find(db, self.schema, self.name)
            captured["index"] = index.remembered if index else {}
        return captured

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._alter(f"drop constraint {quoted(self.name)}"))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        before, index = captured.get("constraint"), captured.get("index")
        if before is None:
            return []
        comment = _constraints.commented(self.relation, self.name, before["comment"])
        definition = before["definition"]
        if captured["blocks"]:
            add = self._alter(f"add constraint {quoted(self.name)} {definition}")
            drop = _constraints.drop(self.relation, self.name)
            return one_transaction(drop, add, *comment, *(_indexes.traits(index) if index else []))
        if not index:
            return _constraints.brought_back(self.relation, self.name, before)
        add = self._alter(f"add constraint {quoted(self.name)} {_taking_over(definition, self.name)}")
        # what an undo that was stopped has left of the constraint holds its index
        return [
            Transaction((_constraints.drop(self.relation, self.name),)),
            *_indexes.anew(index, concurrently=self.options.concurrently),
            Transaction((add, *comment, *_indexes.traits(index))),
        ]

    def lint(self) -> list[str]:
        notes = ["the way back fails where rows have come that violate it"]
        if self.blocks:
            notes.append(f"the way back blocks {self.relation} until it is done: {self.blocks}")
        if self.blocks and self.partitioned:
            notes.append("the way back gives the indexes of the partitions the names that the server chooses")
        return notes


def _taking_over(definition: str, name: str) -> str:
    """The definition of a key by its index: `PRIMARY KEY USING INDEX t_pkey DEFERRABLE`."""
    word = "PRIMARY KEY" if definition.startswith("PRIMARY KEY") else "UNIQUE"
    _, deferrable, rest = definition.rpartition(" DEFERRABLE")
    return f"{word} USING INDEX {quoted(name)}{deferrable}{rest if deferrable else ''}"
