"""ATTACH PARTITION: without a CHECK that proves its bound, the table is read while nobody can use it.

What it lacks of the parent's indexes and foreign keys has to be made before: the server would make it under its lock,
and leave it there when it is detached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _attaching
from pgrunbook.changes._alter import is_empty
from pgrunbook.changes._attaching import Partitioning
from pgrunbook.changes._base import Change, Names, Phase, one_transaction
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.changes.create_index import Signature
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_SCRATCH = "pgrunbook_partition"
_KEY = "select pg_catalog.pg_get_partkeydef(pg_catalog.to_regclass($1))"


@dataclass(frozen=True, slots=True)
class _Needed:
    oid: int
    type: str
    definition: str


@dataclass(frozen=True, slots=True)
class AttachPartition(Partitioning):
    """One ATTACH PARTITION. `proof` is what its rows have to fulfil; `reads` says whether there are any."""

    kind: ClassVar[str] = "attach_partition"

    proof: str = ""
    reads: bool = False

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AttachPartition | None:
        command = _attaching.command_of(statement, _PB.AT_AttachPartition)
        return cls(statement) if command else None

    def may_follow(self, before: Change) -> bool:
        return before.kind == "detach_partition"

    def resolve(self, names: Names) -> AttachPartition:
        found: AttachPartition = self._resolved(names)
        if not (found.parent and found.partition and found.parent.oid and found.partition.oid):
            return found
        if found.state(names.db).state == "present":
            return found
        both = (found.relation, found.parent_name)
        changed = any(c.relation in both for c in names.earlier)  # an earlier line may make what lacks
        lacking = [] if changed else found._lacking(names.db)
        if lacking:
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql: {found.relation} lacks what {found.parent_name} has, which "
                f"the server would make while nobody can use it, and leave there after a detach: {'; '.join(lacking)}",
                remedy=f"make it on {found.relation} in lines before",
            )
        made, reason = found._tried(names.db)
        if reason:
            raise errors.PreflightFailed(reason, remedy="mend the statement, or the table it names")
        return replace(found, proof=made.proof if made else "", reads=not is_empty(names, found.partition))

    def _lacking(self, db: Database) -> list[str]:
        """The parent's indexes and foreign keys that the table has no equal of."""
        has = [self._key(db, one) for one in db.fetch("indexes_to_match", _Needed, name=self.relation, valid=True)]
        lacking = []
        for one in db.fetch("indexes_to_match", _Needed, name=self.parent_name, valid=False):
            key = self._key(db, one)
            if key in has:
                has.remove(key)
            else:
                lacking.append(one.definition)
        return lacking

    @staticmethod
    def _key(db: Database, one: _Needed) -> tuple[str, str]:
        if not one.oid:
            return one.type, one.definition
        return one.type, db.exactly("index_signature", Signature, oid=one.oid).signature

    def planned(self, db: Database) -> str | None:
        made, reason = self._tried(db)
        if made is None:
            raise errors.PreflightFailed(reason)
        return f"partition of {self.parent_name} {made.bound}"

    def _tried(self, db: Database) -> tuple[_attaching.Partition | None, str]:
        """What the server makes of the bound, on empty copies of both; or what it says of it."""

        def on_copy(node: Any) -> None:
            bound = getattr(self._command, "def").partition_cmd.bound
            node.partbound.CopyFrom(bound)
            node.inh_relations[0].range_var.schemaname = "pg_temp"
            node.inh_relations[0].range_var.relname = _SCRATCH

        try:
            with scratch(db, self):
                with db.transaction(rollback=True, search_path="pg_catalog"):
                    key = str(db.value(_KEY, [self.parent_name]))
                copy_table(db, self.parent_name, _SCRATCH, partitioned_by=key)
                text = f"create temp table {_SCRATCH}_p partition of {_SCRATCH} default"
                db.execute(sqlfile.rewritten(text, on_copy))
                return _attaching.find(db, quoted("pg_temp", f"{_SCRATCH}_p")), ""
        except errors.PreflightFailed as e:
            return None, e.message

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        statement = self._on_both("")
        return one_transaction(replace(statement, sql=self.resolved_sql()))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._detach())

    def lint(self) -> list[str]:
        notes = [
            f"takes SHARE UPDATE EXCLUSIVE on {self.parent_name} and ACCESS EXCLUSIVE on {self.relation}; its undo "
            "takes ACCESS EXCLUSIVE on both, briefly"
        ]
        if self.reads and not self.fresh:
            notes.append(
                f"reads all of {self.relation} under that lock, unless a valid CHECK on it proves the bound; add one "
                f"before: check ({self.proof})"
            )
        default = "of a default partition, that is read as well, while nobody can use it"
        return [*notes, f"where {self.parent_name} has rows {default}"] if self.reads else notes
