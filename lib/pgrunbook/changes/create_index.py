"""CREATE INDEX: built concurrently unless the runbook asks for a maintenance window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import (
    NO_OPTIONS,
    Estimate,
    LockMode,
    ObjectOptions,
    Observation,
    State,
    Statement,
    verify_state,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class Relation:
    """A table by its resolved name. `kind` is pg_class.relkind."""

    oid: int
    schema: str
    name: str
    kind: str


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
class _Size:
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """One CREATE INDEX."""

    kind: ClassVar[str] = "create_index"
    is_index: ClassVar[bool] = True

    written: SqlStatement
    options: ObjectOptions = NO_OPTIONS
    schema: str = ""
    name: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement, options: Mapping[str, ObjectOptions]) -> CreateIndex | None:
        if statement.node_kind != "index_stmt":
            return None
        node: Any = statement.node
        found = options.get(node.idxname, ObjectOptions())
        return cls(statement, found, node.relation.schemaname, node.idxname)

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def table(self) -> str:
        return str(self._node.relation.relname)

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return quoted(self.schema, self.name) if self.name else f"an index on {self.relation}"

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"index {self.object}", f"invalid index {self.object}")

    def resolve(self, db: Database) -> CreateIndex:
        table = find_relation(db, self.schema, self.table, self.written)
        if table.kind != "r" and table.kind != "m":
            raise errors.PreflightFailed(
                f"{quoted(table.schema, table.name)} is {_KINDS.get(table.kind, 'no table')}; "
                f"line {self.written.line} of migrate.sql can't build an index on it",
                remedy="name the partitions themselves" if table.kind == "p" else "name a table",
            )
        named = replace(self, schema=table.schema)
        return named if self.name else replace(named, name=named._signature_of_planned(db)[1])

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.idxname = self.name

        return sqlfile.rewritten(self.written.sql, qualify)

    def state(self, db: Database) -> Observation:
        seen = db.one("index_state", IndexState, schema=self.schema, name=self.name, table=self.table)
        if seen is None:
            return Observation(State.ABSENT)
        if seen.building_pid:
            return Observation(State.BUILDING, f"backend {seen.building_pid} is building it", seen.building_pid)
        if not seen.on_table:
            return Observation(
                State.DIFFERENT,
                f"planned: {self._build()}; found: {seen.definition or 'an object that is no index'}",
            )
        actual = db.one("index_signature", Signature, oid=seen.oid)
        planned, _ = self._signature_of_planned(db)
        if actual is None or actual.signature != planned:
            return Observation(State.DIFFERENT, f"planned: {self._build()}; found: {seen.definition}")
        if not seen.valid:
            return Observation(State.INVALID, f"left over by a build that did not finish: {seen.definition}")
        return Observation(State.PRESENT, seen.definition)

    def capture(self, db: Database) -> dict[str, Any]:
        seen = db.one("index_state", IndexState, schema=self.schema, name=self.name, table=self.table)
        return {"leftover": seen.definition if seen else ""}

    def apply(self, found: State) -> list[Statement]:
        create = Statement(
            self._build(),
            LockMode.SHARE_UPDATE_EXCLUSIVE if self.options.concurrently else LockMode.SHARE,
            self.relation,
            transactional=not self.options.concurrently,
        )
        return [*self._drop(), create] if found is State.INVALID else [create]

    def undo(self, captured: Mapping[str, Any]) -> list[Statement]:  # noqa: ARG002
        return self._drop()

    def loss(self, db: Database) -> str:  # noqa: ARG002
        return ""

    def verify(self, db: Database) -> list[Check]:
        return verify_state(self, db)

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

    def lint(self) -> list[str]:
        if not self.options.concurrently:
            return [f"blocks writes to {self.relation} for the whole build, as the runbook asks (concurrently = false)"]
        if not self._node.concurrent:
            return ["written without CONCURRENTLY, which would block writes for the whole build; built concurrently"]
        return []

    def _build(self) -> str:
        def safe(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.idxname = self.name
            node.concurrent = self.options.concurrently
            node.if_not_exists = False  # the plan looked: a name alone is no proof

        return sqlfile.rewritten(self.written.sql, safe)

    def _drop(self) -> list[Statement]:
        name = quoted(self.schema, self.name)
        if self.options.concurrently:
            sql, lock = f"drop index concurrently {name}", LockMode.SHARE_UPDATE_EXCLUSIVE
        else:
            sql, lock = f"drop index {name}", LockMode.ACCESS_EXCLUSIVE
        return [Statement(sql, lock, self.relation, transactional=not self.options.concurrently)]

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

    def _signature_of_planned(self, db: Database) -> tuple[str, str]:
        """The planned index's signature and, where it has no name, the one the server would choose.

        The index is built on an empty temporary copy of the table, in a transaction that is rolled back:
        comparing texts or trees calls equal definitions different (`a = any (array[…])` against `a in (…)`).
        """

        def on_copy(node: Any) -> None:
            node.relation.schemaname = "pg_temp"
            node.concurrent = False
            node.if_not_exists = False
            node.table_space = ""

        copy = quoted("pg_temp", self.table)
        original = quoted(self.schema, self.table)
        try:
            with db.transaction(rollback=True, lock_timeout="5s", client_min_messages="warning"):
                db.execute(f"create temp table {quoted(self.table)} (like {original}) on commit drop")
                db.execute(sqlfile.rewritten(self.written.sql, on_copy))
                found = db.dicts(
                    "select i.indexrelid, c.relname from pg_catalog.pg_index i"
                    " join pg_catalog.pg_class c on c.oid = i.indexrelid where i.indrelid = $1::regclass",
                    [copy],
                )[0]
                signature = db.exactly("index_signature", Signature, oid=found["indexrelid"])
        except errors.StatementFailed as e:
            if e.sqlstate == "42501":
                temporary = db.value("select pg_catalog.has_database_privilege(current_database(), 'temporary')")
                raise errors.BadTarget(
                    f"comparing {self.object} with its plan needs a temporary copy of its table: {e.message}",
                    remedy=f"run as the owner of {original}"
                    if temporary
                    else f"grant temporary on database {quoted(db.database)} to {quoted(db.user)}",
                ) from None
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql can't be built on {original}: {e.message}",
                remedy="mend the statement, or the table it names",
            ) from None
        return signature.signature, found["relname"]


_KINDS = {
    "p": "a partitioned table",
    "v": "a view",
    "f": "a foreign table",
    "i": "an index",
    "S": "a sequence",
}


def find_relation(db: Database, schema: str, name: str, written: SqlStatement) -> Relation:
    """The relation a statement names, found as the server would under the session's search_path."""
    found = db.one("relation", Relation, name=quoted(schema, name))
    if found is None:
        raise errors.PreflightFailed(
            f"{quoted(schema, name)} does not exist on {db.target.name} (line {written.line} of migrate.sql)",
            remedy="check the runbook's search_path and the target",
        )
    return found
