"""What only touches a table or a sequence that the same migration makes: the way back is to drop that.

INSERT, UPDATE, DELETE and the like; and what no kind of its own takes back of ALTER TABLE, CREATE RULE, ALTER SEQUENCE
and setval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes._base import (
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    one_transaction,
    statement_label,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlStatement, quoted

_WRITING = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt")
_PB = postgast.pg_query_pb2
# what leaves nothing that another object could need, nor needs one itself: a table's own settings, and its identities
_OWN_SETTINGS = {
    _PB.AT_AddIdentity, _PB.AT_SetIdentity, _PB.AT_DropIdentity, _PB.AT_ReplicaIdentity, _PB.AT_SetStatistics,
    _PB.AT_SetStorage, _PB.AT_SetCompression, _PB.AT_SetOptions, _PB.AT_ResetOptions, _PB.AT_SetRelOptions,
    _PB.AT_ResetRelOptions, _PB.AT_ClusterOn, _PB.AT_DropCluster, _PB.AT_SetLogged, _PB.AT_SetUnLogged,
    _PB.AT_DropExpression, _PB.AT_EnableTrig, _PB.AT_EnableAlwaysTrig, _PB.AT_EnableReplicaTrig, _PB.AT_DisableTrig,
    _PB.AT_EnableTrigUser, _PB.AT_DisableTrigUser, _PB.AT_EnableRule, _PB.AT_EnableAlwaysRule, _PB.AT_EnableReplicaRule,
    _PB.AT_DisableRule,
}  # fmt: skip
_RELKINDS = "rpS"


@dataclass(frozen=True, slots=True)
class Rows(Change):
    """One statement about a relation made by the same migration. The ledger alone says whether it was done."""

    kind: ClassVar[str] = "rows"
    recorded: ClassVar[bool] = True

    schema: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Rows | None:
        named = _touched(statement.node_kind, statement.node)
        return cls(statement, schema=named[0]) if named else None

    @property
    def _table(self) -> str:
        named = _touched(self.written.node_kind, self.written.node)
        return named[1] if named else ""

    @property
    def is_writing(self) -> bool:
        """Whether it is about rows."""
        return self.written.node_kind in _WRITING

    @property
    def label(self) -> str:
        return statement_label(self.written)

    @property
    def object(self) -> str:
        return f"rows of {self.relation} ({self.label})" if self.is_writing else f"{self.relation} ({self.label})"

    @property
    def relation(self) -> str:
        return quoted(self.schema, self._table)

    def resolve(self, names: Names) -> Rows:
        table = names.relation(self.schema, self._table, self.written, _RELKINDS)
        return replace(self, schema=table.schema)

    def follow(self, names: Names) -> None:
        for column, sequence in _identities(self.written):
            names.add(Relation(0, self.schema, sequence or f"{self._table}_{column}_seq", "S"))

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            if self.written.node_kind == "select_stmt":
                _setval(node).args[0].CopyFrom(_text(self.relation))
            else:
                getattr(
                    node, "sequence" if self.written.node_kind == "alter_seq_stmt" else "relation"
                ).schemaname = self.schema

        return sqlfile.rewritten(self.written.sql, qualify)

    def state(self, db: Database) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "only the ledger can tell")

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        return Observation(State.PRESENT, "was committed with its row in the ledger")

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), self._lock, self.relation))

    @property
    def _lock(self) -> LockMode:
        if self.is_writing or self.written.node_kind == "select_stmt":
            return LockMode.ROW_EXCLUSIVE
        return LockMode.SHARE_ROW_EXCLUSIVE if self.written.node_kind == "alter_seq_stmt" else LockMode.ACCESS_EXCLUSIVE

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        if self.written.node_kind != "rule_stmt":
            return []
        node: Any = self.written.node  # what it names may go before its table does
        drop = f"drop rule if exists {quoted(node.rulename)} on {self.relation}"
        return one_transaction(Statement(drop, LockMode.ACCESS_EXCLUSIVE, self.relation))

    def verify(self, db: Database) -> list[Check]:  # noqa: ARG002
        detail = f"whether {'all rows are there' if self.is_writing else 'it holds'}, a check file can say"
        return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]

    def lint(self) -> list[str]:
        if self.written.node_kind == "rule_stmt":
            return []
        what = "the rows go with the table" if self.is_writing else "it goes with that"
        return [f"its way back is that of {self.relation}, which this migration makes: {what}"]


def written_to_new(statement: SqlStatement, made: set[tuple[str, str]], *, known: bool) -> Rows | None:
    """The change that a statement is if it is about one of the relations that are made before it.

    Of those of another kind, `known`, only what writes rows.
    """
    change = Rows.from_ast(statement)
    if change is not None and known and not change.is_writing:
        return None
    if change is None or not any(_same((change.schema, change._table), table) for table in made):
        return None
    return change


def made_by(statement: SqlStatement) -> tuple[str, str] | None:
    """Schema (empty where none is written) and name of the table or the sequence that a statement makes."""
    node: Any = statement.node
    match statement.node_kind:
        case "create_stmt":
            return _name(node.relation)
        case "create_table_as_stmt":
            return _name(node.into.rel)
        case "create_seq_stmt":
            return _name(node.sequence)
    return None


def _touched(kind: str, node: Any) -> tuple[str, str] | None:
    """The only relation that a statement is about; None for a statement that may be about more."""
    match kind:
        case "alter_table_stmt" if node.objtype == _PB.OBJECT_TABLE:
            own = all(c.alter_table_cmd.subtype in _OWN_SETTINGS for c in node.cmds)
            return _name(node.relation) if own else None
        case "rule_stmt":
            return None if node.replace else _name(node.relation)
        case "alter_seq_stmt":
            owned = any(o.def_elem.defname == "owned_by" for o in node.options)
            return None if owned else _name(node.sequence)
        case "select_stmt":
            return _set_sequence(node)
    return _name(node.relation) if kind in _WRITING else None


def _set_sequence(node: Any) -> tuple[str, str] | None:
    """The sequence of a bare `select setval('name', 5, true)`."""
    call = _setval(node)
    names = [s.string.sval for s in call.funcname]
    if names not in (["setval"], ["pg_catalog", "setval"]) or not all(a.HasField("a_const") for a in call.args):
        return None
    bare: Any = _PB.SelectStmt()
    bare.CopyFrom(node)
    del bare.target_list[:]
    if len(node.target_list) != 1 or any(f.name not in ("limit_option", "op") for f, _ in bare.ListFields()):
        return None
    try:
        (item,) = postgast.parse(f"table {call.args[0].a_const.sval.sval}").stmts
        (one,) = item.stmt.select_stmt.from_clause
    except (postgast.PgQueryError, ValueError):
        return None
    return _name(one.range_var)


def _setval(node: Any) -> Any:
    return node.target_list[0].res_target.val.func_call if node.target_list else _PB.FuncCall()


def _text(value: str) -> Any:
    text = _PB.Node()
    text.a_const.sval.sval = value
    return text


def _identities(statement: SqlStatement) -> list[tuple[str, str]]:
    """The columns that get an identity, each with the name that its sequence is given."""
    node: Any = statement.node
    found = []
    for item in node.cmds if statement.node_kind == "alter_table_stmt" else ():
        command = item.alter_table_cmd
        if command.subtype == _PB.AT_AddIdentity:
            options = getattr(command, "def").constraint.options
            names = [o.def_elem.arg.list.items for o in options if o.def_elem.defname == "sequence_name"]
            found.append((str(command.name), str(names[0][-1].string.sval) if names else ""))
    return found


def _name(relation: Any) -> tuple[str, str]:
    return str(relation.schemaname), str(relation.relname)


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[1] == other[1] and ("" in (one[0], other[0]) or one[0] == other[0])
