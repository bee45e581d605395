"""CREATE TABLE … AS: rows can't be compared with a query that may give others by now; the ledger says what is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import postgast

from pgrunbook import sqlfile
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
from pgrunbook.changes._made import MakesRelation
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._tables import creation_schema, dropped, is_elsewhere, rows_in
from pgrunbook.db import Database
from pgrunbook.findings import Check, passed
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class CreateTableAs(MakesRelation, Change):
    """One CREATE TABLE … AS a query."""

    kind: ClassVar[str] = "create_table_as"
    letter: ClassVar[str] = "r"
    recorded: ClassVar[bool] = True
    may_lose: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateTableAs | None:
        node: Any = statement.node
        if statement.node_kind != "create_table_as_stmt" or node.objtype != _PB.OBJECT_TABLE:
            return None
        of_query = node.query.WhichOneof("node") == "select_stmt"  # and no EXECUTE of what a session prepared
        return cls(statement) if of_query and not is_elsewhere(node.into.rel) else None

    @property
    def _range(self) -> Any:
        node: Any = self.written.node
        return node.into.rel

    @property
    def subject(self) -> str:
        return f"table {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        node: Any = self.written.node
        named = [n.string.sval for n in node.into.col_names]
        targets = [t.res_target for t in node.query.select_stmt.target_list]
        fields = [t.val.column_ref.fields for t in targets]
        written = [t.name or (f[-1].string.sval if f else "") for t, f in zip(targets, fields, strict=True)]
        columns = [*named, *written[len(named) :]]
        return (f"relation {self.object}", *(f"column {quoted(self.schema, self.name, c)}" for c in columns if c))

    def may_follow(self, before: Change) -> bool:
        return isinstance(before, Defined) and before.drops

    def resolve(self, names: Names) -> CreateTableAs:
        schema = self.schema or creation_schema(names, self.written, self.name)

        def qualify(node: Any) -> None:
            node.into.rel.schemaname = schema

        return CreateTableAs(part_of(self.written, qualify), self.options)

    def resolved_sql(self) -> str:
        return self.written.sql

    def state(self, db: Database) -> Observation:
        if db.one("relation", Relation, name=self.object) is None:
            return NOTHING_THERE
        return Observation(
            State.DIFFERENT,
            f"planned: a table of what the query gives; found: {self.object} is there, and whether its rows are those "
            "of the query can't be told",
        )

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        if db.one("relation", Relation, name=self.object) is None:
            return NOTHING_THERE
        return Observation(State.PRESENT, "was committed with its row in the ledger")

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        def plain(node: Any) -> None:
            node.if_not_exists = False  # a name alone is no proof

        return one_transaction(Statement(sqlfile.rewritten(self.written.sql, plain), LockMode.ACCESS_SHARE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(dropped(self.object))

    def loss(self, db: Database) -> str:
        return rows_in(db, self.object)

    def verify(self, db: Database) -> list[Check]:
        there = db.one("relation", Relation, name=self.object)
        return [
            passed(
                f"definition: {self.kind}",
                self.object,
                there is not None or self.standing(db).state is State.PRESENT,
                claimed="a table is there",
                measured="there" if there else "absent",
                detail="whether its rows are those of the query, a check file can say",
            )
        ]

    def lint(self) -> list[str]:
        return [
            "what its query gives depends on the moment: the ledger alone says whether it was done, and a table that "
            "is there before is refused, IF NOT EXISTS or not",
            "its query runs in one transaction, which holds back VACUUM as long as it takes",
        ]
