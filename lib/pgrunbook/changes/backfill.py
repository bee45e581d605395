"""UPDATE: in batches by ranges of the primary key, with the old values kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import (
    Change,
    Estimate,
    Names,
    Observation,
    Phase,
    State,
    Walk,
    statement_label,
)
from pgrunbook.changes._names import Relation
from pgrunbook.changes._parts import column_of
from pgrunbook.changes._remade import NOT_THERE_YET
from pgrunbook.changes.create_trigger import CreateTrigger
from pgrunbook.changes.drop_trigger import DropTrigger
from pgrunbook.changes.trigger_state import TriggerState
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.sqlfile import SqlStatement, quoted

_LOOK_MS = 1000
_ROW_OVERHEAD = 24 + 4 + 6 + 4  # a tuple's header and pointer, the place and the version of the row
_NOW = ("now", "transaction_timestamp")


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type as the server spells them; `harmless`: its values tell nothing of a person."""

    name: str
    type: str
    collation: str
    harmless: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a backfill has to know of its table. `rules` rewrite an UPDATE.

    `triggers` fire at one of its columns, and those that are disabled, `silent`, would.
    """

    key: list[str]
    has_children: bool
    has_foreign_partitions: bool
    triggers: list[str]
    silent: list[str]
    rules: list[str]
    forced: bool


@dataclass(frozen=True, slots=True)
class Size:
    """A table's rows and bytes, partitions included."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Reads:
    found: bool


def columns_of(db: Database, relation: str, names: Sequence[str]) -> list[Column]:
    """Those of some columns that a table has."""
    return db.fetch("column_types", Column, table=relation, names=list(names))


def facts(db: Database, relation: str, columns: Sequence[str]) -> Facts | None:
    """The facts of a table; None where it is not there."""
    return db.one("backfill_table", Facts, table=relation, columns=list(columns))


@dataclass(frozen=True, slots=True)
class Backfill(Change):
    """One UPDATE. `reads_itself` is what in it reads the table that it writes."""

    kind: ClassVar[str] = "backfill"
    recorded: ClassVar[bool] = True

    schema: str = ""
    key: tuple[str, ...] = ()
    reads_itself: str = ""
    triggers: tuple[str, ...] = ()
    forced: bool = False
    unfit: tuple[str, str] = ("", "")

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Backfill | None:
        node: Any = statement.node
        if statement.node_kind != "update_stmt" or node.HasField("with_clause") or node.HasField("returning_clause"):
            return None
        if node.where_clause.WhichOneof("node") == "current_of_expr" or not all(map(_is_plain, node.target_list)):
            return None
        return cls(statement, schema=node.relation.schemaname)

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def label(self) -> str:
        return column_of(self.written) or statement_label(self.written)

    @property
    def table(self) -> str:
        return str(self._node.relation.relname)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(str(t.res_target.name) for t in self._node.target_list)

    @property
    def object(self) -> str:
        if len(self.columns) == 1:
            return quoted(self.schema, self.table, self.columns[0])
        return f"{self.relation} ({', '.join(map(quoted, self.columns))})"

    @property
    def subject(self) -> str:
        return f"{self.label} {self.kind} {self.object}"  # one column may well be filled by several statements

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> Backfill:
        table = names.relation(self.schema, self.table, self.written, "rp")
        found = facts(names.db, table.stands_as, self.columns)
        if found is None:
            raise self._refused(
                f"{table} is made by this migration, so there is nothing in it yet", "fill it elsewhere"
            )
        return replace(
            self,
            schema=table.schema,
            key=tuple(found.key),
            reads_itself=self._read_again(names, table),
            triggers=_firing(found, str(table), self.columns, names.earlier),
            forced=found.forced,
            unfit=self._unfit(found, str(table)),
        )

    @property
    def timeless(self) -> Backfill:
        return replace(self, key=(), reads_itself="", triggers=(), forced=False, unfit=("", ""))

    def _unfit(self, found: Facts, table: str) -> tuple[str, str]:
        """Why the table can't be walked, and the remedy."""
        as_written = "answer for the statement in rollback.sql, and it is run as written"
        if not found.key:
            reason = f"{table} has no primary key, by which the batches and their old values are found again"
            return reason, f"give it a primary key first; or {as_written}"
        if both := [c for c in self.columns if c in found.key]:
            reason = f"{quoted(both[0])} is in the primary key of {table}, by which the rows are found again"
            return reason, "leave it out, or add a column and change over"
        if found.has_children and self._node.relation.inh:
            return f"{table} has tables that inherit from it, whose keys it does not know", "UPDATE ONLY"
        if found.rules:
            names = ", ".join(map(quoted, found.rules))
            return f"{table} has rules on UPDATE ({names}), which do more than it says, or something else", as_written
        if found.has_foreign_partitions:
            return f"{table} has partitions on other servers", "update these there"
        return "", ""

    @property
    def objection(self) -> errors.PreflightFailed | None:
        reason, remedy = self.unfit
        if not reason and self.triggers and not self.written.whole and not self.options.acknowledge_loss:
            reason, remedy = (
                _is_not_undone(self.triggers, self.relation),
                f'set acknowledge_loss = "reason" under [objects."{self.label}"] in runbook.toml, if that is meant; '
                "or disable the trigger in a line before, and enable it in one after",
            )
        return self._refused(reason, remedy) if reason else None

    def _refused(self, reason: str, remedy: str) -> errors.PreflightFailed:
        return errors.PreflightFailed(f"line {self.written.line} of migrate.sql: {reason}", remedy=remedy)

    def _read_again(self, names: Names, table: Relation) -> str:
        """The relation in the FROM list or in a sub-select through which the table is read; empty for none."""
        node = self._node
        for part in [*node.target_list, *node.from_clause, node.where_clause]:
            for field, found in sqlfile.walk(part):
                read = names.find(found.schemaname, found.relname) if field == "range_var" else None  # type: ignore[attr-defined]
                if read and _reads(names.db, read, table):
                    return str(read)
        return ""

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema

        return sqlfile.rewritten(self.written.sql, qualify)

    # -- the statement's parts -----------------------------------------------------------------------------

    @property
    def _target(self) -> str:
        return self.relation if self._node.relation.inh else f"only {self.relation}"

    @property
    def _alias(self) -> str:
        return quoted(self._node.relation.alias.aliasname or self.table)

    @property
    def _others(self) -> str:
        return _deparsed("SELECT 1 FROM ", lambda select: select.from_clause.extend(self._node.from_clause))

    @property
    def _condition(self) -> str:
        if not self._node.HasField("where_clause"):
            return "true"
        return _deparsed("SELECT 1 WHERE ", lambda select: select.where_clause.CopyFrom(self._node.where_clause))

    @property
    def _values(self) -> tuple[str, ...]:
        return tuple(sqlfile.expression(t.res_target.val) for t in self._node.target_list)

    @property
    def _selected(self) -> str:
        """The rows that it changes, as the end of a query."""
        others = f", {self._others}" if self._others else ""
        return f"from {self._target} as {self._alias}{others} where {self._condition}"

    # -- state ---------------------------------------------------------------------------------------------

    def state(self, db: Database) -> Observation:
        """A quick look for rows that its WHERE selects. What was done, the ledger says."""
        if not self._node.HasField("where_clause"):
            return Observation(State.UNKNOWN, "without a WHERE only the ledger can tell")
        try:
            with db.transaction(read_only=True, statement_timeout=f"{_LOOK_MS}ms", lock_timeout=f"{_LOOK_MS}ms"):
                left = db.value(f"select exists (select {self._selected})")
        except errors.StatementCancelled:
            return Observation(State.UNKNOWN, f"no row that it selects was found within {_LOOK_MS / 1000:g} s")
        except errors.StatementFailed as e:
            if e.sqlstate in NOT_THERE_YET:
                return Observation(State.ABSENT, f"needs what an earlier change makes: {e.message}")
            return Observation(State.UNKNOWN, f"the rows that it selects can't be looked for: {e.message}")
        if left:
            return Observation(State.ABSENT, "rows are left that its WHERE selects")
        return Observation(State.PRESENT, "no row is left to update")

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        kept = captured.get("kept")
        if kept is None:
            return Observation(State.ABSENT, "no row was touched")
        if kept and len(columns_of(db, self.relation, self.columns)) < len(self.columns):
            return Observation(State.DIFFERENT, f"{self.object} is gone; the old values are in the ledger's {kept}")
        return Observation(State.PRESENT, f"{captured.get('rows', 0):,} rows were touched")

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002
        return {"key": list(self.key), "triggers": list(self.triggers)}

    def remembering(self, captured: Mapping[str, Any]) -> Backfill:
        return replace(self, triggers=tuple(captured.get("triggers", ())))

    @property
    def rows_not_brought_back(self) -> Mapping[str, str]:
        return {self.relation: _is_not_undone(self.triggers, self.relation)} if self.triggers else {}

    def verify(self, db: Database) -> list[Check]:
        seen = self.standing(db)
        claim = "no row is left that its WHERE selects"
        if seen.state is State.UNKNOWN or self.replacing:
            return [Check("backfill", self.object, Verdict.NOT_MEASURABLE, claim, gates=False, detail=seen.detail)]
        found = seen.state is State.PRESENT
        detail = "" if found else "rows that came since, or that it does not change"
        return [passed("backfill", self.object, found, gates=False, claimed=claim, measured=seen.detail, detail=detail)]

    # -- work ----------------------------------------------------------------------------------------------

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return [self._walk()]

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        if captured.get("kept") == "":  # what it filled goes with the columns that the same run added
            return []
        return [replace(self._walk(), key=tuple(captured.get("key", self.key)), at_once=False, back=True)]

    def _walk(self) -> Walk:
        return Walk(
            relation=self.relation,
            key=self.key,
            columns=self.columns,
            sql=self.resolved_sql(),
            target=self._target,
            alias=self._alias,
            others=self._others,
            values=self._values,
            condition=self._condition,
            at_once=bool(self.reads_itself),
        )

    def estimate(self, db: Database) -> Estimate:
        """The kept values and the rows' new versions, from the server's own idea of how many rows it selects."""
        table = db.exactly("estimated_rows", Size, table=self.relation)
        alias = self._alias
        columns = [f"{alias}.{quoted(c)}" for c in (*self.key, *self.columns, *self.columns)]
        try:
            found = db.value(f"explain (format json) select {', '.join(columns)} {self._selected}")
        except errors.StatementFailed:  # it needs what an earlier change makes
            return Estimate(rows=table.rows)
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        rows, width = int(plan["Plan Rows"]), int(plan["Plan Width"]) + _ROW_OVERHEAD
        version = table.bytes // table.rows if table.rows else width
        return Estimate(bytes=rows * (width + version), rows=table.rows)

    def lint(self) -> list[str]:
        key = ", ".join(map(quoted, self.key))
        if self.reads_itself:
            how = (
                f"in one transaction, since it reads {self.reads_itself} as well, where batches would see each other's "
                "work: its row locks are held until the end, and others wait for them"
            )
        else:
            how = (
                f"in batches by the primary key ({key}), a commit each (backfill.batch_ms): nobody waits long for a"
                " row, a kill loses at most one batch, and others see it half done meanwhile"
            )
        notes = [how, "the old values are kept in the ledger's schema, as large as what is changed, until the rollback"]
        if self.triggers:
            why = f"; accepted: {self.options.acknowledge_loss}" if self.options.acknowledge_loss else ""
            notes.append(_is_not_undone(self.triggers, self.relation) + why)
        if self.forced:
            notes.append(
                f"row security is forced on {self.relation}: the server refuses the UPDATE of a role that it binds"
            )
        if not self.reads_itself and self._reads_the_clock():
            notes.append("now() is the time of each batch, not of one moment")
        return notes

    def _reads_the_clock(self) -> bool:
        for field, found in sqlfile.walk(self._node):
            if field == "sqlvalue_function":
                return True
            if field == "func_call" and found.funcname[-1].string.sval in _NOW:  # type: ignore[attr-defined]
                return True
        return False


def _is_plain(item: Any) -> bool:
    """`column = expression`: no element or field of a column, no row of columns, no DEFAULT."""
    target = item.res_target
    return not target.indirection and target.val.WhichOneof("node") not in ("multi_assign_ref", "set_to_default")


def _reads(db: Database, relation: Relation, table: Relation) -> bool:
    if not relation.oid:  # made by this migration: a view may read anything
        return relation.kind in "vm"
    return db.exactly("reads_table", _Reads, relation=relation.oid, table=table.oid).found


def _deparsed(prefix: str, edit: Callable[[Any], None]) -> str:
    """A part of a statement in PostgreSQL's spelling; empty where there is none."""
    query = postgast.parse("select 1")
    edit(query.stmts[0].stmt.select_stmt)
    text = sqlfile.deparsed(query)
    return text.removeprefix(prefix) if text.startswith(prefix) else ""


def _firing(found: Facts, table: str, columns: Sequence[str], earlier: Iterable[Change]) -> tuple[str, ...]:
    """The triggers that fire when it is the update's turn: earlier changes make, drop, disable and enable some."""
    firing = dict.fromkeys(found.triggers, True) | dict.fromkeys(found.silent, False)
    for change in earlier:
        if change.relation != table:
            continue
        if isinstance(change, CreateTrigger) and change.is_on_update(columns):
            firing[change.name] = True
        elif isinstance(change, CreateTrigger | DropTrigger):
            firing.pop(change.name, None)
        elif isinstance(change, TriggerState) and change.name in firing:
            firing[change.name] = change.enables
    return tuple(name for name, fires in firing.items() if fires)


def _is_not_undone(triggers: Iterable[str], table: str) -> str:
    names = ", ".join(map(quoted, triggers))
    return f"fires {names} on {table}: what a trigger writes elsewhere, or into other columns of a row, is not undone"
