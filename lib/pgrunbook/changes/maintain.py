"""VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH: work on rows and files that leaves every definition as it is.

The ledger says whether it was done. It has no way back, and needs none; what is stopped half-way is done again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _constraints
from pgrunbook.changes._alter import accepting, is_empty, size_of
from pgrunbook.changes._base import (
    Alone,
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_INDEX, _TABLE, _SCHEMA = _PB.REINDEX_OBJECT_INDEX, _PB.REINDEX_OBJECT_TABLE, _PB.REINDEX_OBJECT_SCHEMA
_OF_PARTITIONS_SINCE = 140000
_KIND = re.compile(r"^(REINDEX (?:\([^)]*\) )?(?:INDEX|TABLE|SCHEMA))")
_INDEXES = (
    "select n.nspname::text, i.relname::text, pg_catalog.format('%I.%I', tn.nspname, t.relname)"
    " from pg_catalog.pg_index x"
    " join pg_catalog.pg_class i on i.oid = x.indexrelid join pg_catalog.pg_namespace n on n.oid = i.relnamespace"
    " join pg_catalog.pg_class t on t.oid = x.indrelid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace"
    " where pg_catalog.to_regclass($1) in (x.indexrelid, x.indrelid) order by 1, 2"
)
_LAST = (
    "select greatest(last_vacuum, last_analyze)::text from pg_catalog.pg_stat_all_tables"
    " where relid = pg_catalog.to_regclass($1)"
)


@dataclass(frozen=True, slots=True)
class _Left:
    index: str
    relation: str


@dataclass(frozen=True, slots=True)
class Maintain(Change):
    """One such statement; `found` are the qualified names of its relations, `whole` says that one is partitioned."""

    kind: ClassVar[str] = "maintain"
    recorded: ClassVar[bool] = True

    found: tuple[str, ...] = ()
    partitioned: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Maintain | None:
        node: Any = statement.node
        match statement.node_kind:
            case "vacuum_stmt" | "refresh_mat_view_stmt":
                pass
            case "cluster_stmt":
                if not node.HasField("relation"):
                    return None
            case "reindex_stmt":
                if node.kind not in (_INDEX, _TABLE, _SCHEMA):
                    return None
            case _:
                return None
        named = tuple(quoted(r.schemaname, r.relname) for r in _relations(node) if r.schemaname)
        return cls(statement, found=named if len(named) == len(_relations(node)) else ())

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _word(self) -> str:
        match self.written.node_kind:
            case "vacuum_stmt":
                return "vacuum" if self._node.is_vacuumcmd else "analyze"
            case "refresh_mat_view_stmt":
                return "refresh"
            case other:
                return other.removesuffix("_stmt")

    @property
    def object(self) -> str:
        if self._word == "reindex" and self._node.kind == _SCHEMA:
            return f"{self._word} schema {quoted(self._node.name)}"
        return f"{self._word} {', '.join(self.found) or 'all tables'}"

    @property
    def subject(self) -> str:
        return f"{self.kind} {self.label}"

    @property
    def relation(self) -> str:
        is_index = self._word == "reindex" and self._node.kind == _INDEX
        return self.found[0] if len(self.found) == 1 and not is_index else ""

    @property
    def moves_rows(self) -> Mapping[str, str]:
        return dict.fromkeys(self.rows_not_brought_back, "")

    @property
    def rows_not_brought_back(self) -> Mapping[str, str]:
        return dict.fromkeys(self.found, "was refreshed") if self._word == "refresh" else {}

    @property
    def _is_full(self) -> bool:
        return self._word == "cluster" or (self._word == "vacuum" and _has(self._node.options, "full"))

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> Maintain:
        kinds = {"reindex": "iI" if self._word == "reindex" and self._node.kind == _INDEX else "rmp", "refresh": "m"}
        written = [
            names.relation(r.schemaname, r.relname, self.written, kinds.get(self._word, "rmp"))
            for r in _relations(self._node)
        ]
        where = f"line {self.written.line} of migrate.sql"
        found = replace(self, found=tuple(map(str, written)), partitioned=any(r.kind in "pI" for r in written))
        if self._is_full and self.options.concurrently and not all(is_empty(names, r) for r in written if r.oid):
            size = ", ".join(size_of(names, r) for r in written)
            raise errors.PreflightFailed(
                f"{where} makes the server rewrite {', '.join(found.found) or 'every table'} ({size}) while nobody can "
                "read or write it",
                remedy=f"a plain VACUUM blocks nobody; or plan a maintenance window and {accepting(self.label)}",
            )
        if self._word == "reindex" and found.partitioned and names.db.version < _OF_PARTITIONS_SINCE:
            raise errors.PreflightFailed(
                f"{where}: {found.found[0]} is partitioned, which can't be reindexed as a whole before PostgreSQL 14",
                remedy="reindex its partitions one by one",
            )
        return found

    def resolved_sql(self) -> str:
        return sqlfile.rewritten(self.written.sql, self._qualify)

    def _qualify(self, node: Any) -> None:
        for relation, name in zip(_relations(node), self.found, strict=False):
            one: Any = sqlfile.split(f"table {name}")[0].node
            relation.schemaname = one.from_clause[0].range_var.schemaname

    # -- state ---------------------------------------------------------------------------------------------

    def state(self, db: Database) -> Observation:
        left = self._left(db)
        detail = f"what a REINDEX left invalid: {', '.join(x.index for x in left)}" if left else ""
        words = tuple(f"{x.index}\n{x.relation}" for x in left)
        return Observation(State.UNKNOWN, detail or "only the ledger can tell", found=words)

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        if left := self._left(db):
            return Observation(State.INVALID, f"left invalid: {', '.join(x.index for x in left)}")
        return Observation(State.ABSENT, "leaves nothing that could be taken back")

    def _left(self, db: Database) -> list[_Left]:
        if self._word != "reindex":
            return []
        name = "" if self._node.kind == _SCHEMA else self.found[0]
        return db.fetch("reindexed", _Left, name=name, schema=self._node.name)

    # -- phases --------------------------------------------------------------------------------------------

    def apply(self, seen: Observation) -> list[Phase]:
        text = sqlfile.rewritten(self.written.sql, self._safe)
        if self._concurrently:  # as an option in brackets it is not known before 14
            text = _KIND.sub(r"\1 CONCURRENTLY", text)
        lock, transactional = self._how
        statement = Statement(text, lock, self.relation, transactional=transactional)
        if transactional:
            return one_transaction(statement)
        return [*self.clear(seen, {}), Alone(statement)]

    @property
    def _how(self) -> tuple[LockMode, bool]:
        """What it locks, and whether it can be in a transaction."""
        match self._word:
            case "vacuum":
                return (LockMode.ACCESS_EXCLUSIVE if self._is_full else LockMode.SHARE_UPDATE_EXCLUSIVE), False
            case "analyze":
                return LockMode.SHARE_UPDATE_EXCLUSIVE, bool(self.found)
            case "refresh":
                # EXCLUSIVE, which readers don't notice, has no name here
                return (LockMode.SHARE_ROW_EXCLUSIVE if self._node.concurrent else LockMode.ACCESS_EXCLUSIVE), True
            case "cluster":
                return LockMode.ACCESS_EXCLUSIVE, not self.partitioned
        if self._concurrently:
            return LockMode.SHARE_UPDATE_EXCLUSIVE, False
        return LockMode.SHARE, self._node.kind != _SCHEMA and not self.partitioned

    @property
    def _concurrently(self) -> bool:
        return self._word == "reindex" and self.options.concurrently

    def _safe(self, node: Any) -> None:
        self._qualify(node)
        if self._word != "reindex":
            return
        kept = [p for p in node.params if p.def_elem.defname != "concurrently"]
        del node.params[:]
        node.params.extend(kept)

    def capture(self, db: Database) -> dict[str, Any]:
        """The names under which a REINDEX … CONCURRENTLY that is stopped may leave an index, and that are free."""
        if not self._concurrently or self._node.kind == _SCHEMA:
            return {}
        rows = db.rows(_INDEXES, [self.found[0]])
        made = [
            [quoted(schema, _constraints.chosen_name(name, [], word)), relation]
            for schema, name, relation in rows
            for word in ("ccnew", "ccold")
        ]
        return {"leaves": [m for m in made if db.value("select pg_catalog.to_regclass($1) is null", [m[0]])]}

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return [_dropped(index, relation) for index, relation in captured.get("leaves", ())]

    def clear(self, seen: Observation, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return [_dropped(*one.split("\n")) for one in seen.found]

    def verify(self, db: Database) -> list[Check]:
        detail = "only the ledger tells whether it was done"
        if self._word in ("vacuum", "analyze") and self.relation:
            detail = f"{self.relation} was vacuumed or analyzed last: {db.value(_LAST, [self.relation]) or 'not known'}"
        return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]

    def lint(self) -> list[str]:
        again = "is done once: run again, the runbook finds it done in its ledger, until that run is rolled back"
        match self._word:
            case "reindex" if self._concurrently and not _has(self._node.params, "concurrently"):
                notes = [
                    "written without CONCURRENTLY, which would block writes for the whole build; rebuilt concurrently"
                ]
            case "reindex" if not self._concurrently:
                notes = ["blocks writes, and reads by these indexes, for the whole build (concurrently = false)"]
            case "refresh" if not self._node.concurrent:
                notes = ["nobody can read it meanwhile; with CONCURRENTLY and a unique index on it they can"]
            case _ if self._is_full:
                notes = ["nobody can read or write the table while it is rewritten, as the runbook asks"]
            case _:
                notes = ["who reads or writes does not wait"]
        return [*notes, again]


def _dropped(index: str, relation: str) -> Phase:
    sql = f"drop index concurrently if exists {index}"
    return Alone(Statement(sql, LockMode.SHARE_UPDATE_EXCLUSIVE, relation, transactional=False))


def _relations(node: Any) -> list[Any]:
    """The relations that it names."""
    if node.DESCRIPTOR.name == "VacuumStmt":
        return [r.vacuum_relation.relation for r in node.rels]
    return [node.relation] if node.HasField("relation") else []


def _has(options: Any, name: str) -> bool:
    """Whether an option is given, and not as false."""
    for option in (o.def_elem for o in options if o.def_elem.defname == name):
        value = option.arg.string.sval or str(option.arg.integer.ival if option.HasField("arg") else 1)
        return value.lower() not in ("false", "off", "0")
    return False
