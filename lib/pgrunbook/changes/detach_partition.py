"""DETACH PARTITION: the undo attaches it again, with the bound that it had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import postgast

from pgrunbook import errors
from pgrunbook.changes import _attaching
from pgrunbook.changes._attaching import Partitioning
from pgrunbook.changes._base import Change, Names, Observation, Phase, State, one_transaction
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_TRAITS = (
    "select pg_catalog.string_agg(t.tgname, ', ' order by t.tgname) from pg_catalog.pg_trigger t"
    " join pg_catalog.pg_trigger p on p.oid = t.tgparentid where t.tgrelid = pg_catalog.to_regclass($1)"
    " and (t.tgenabled <> p.tgenabled or exists (select from pg_catalog.pg_description d where d.objoid = t.oid))"
)
_IDENTITY = "select pg_catalog.to_regclass($1)::oid::text"


@dataclass(frozen=True, slots=True)
class DetachPartition(Partitioning):
    """One DETACH PARTITION, which is no concurrent one."""

    kind: ClassVar[str] = "detach_partition"
    drops: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DetachPartition | None:
        command = _attaching.command_of(statement, _PB.AT_DetachPartition)
        return cls(statement) if command and not getattr(command, "def").partition_cmd.concurrent else None

    def may_follow(self, before: Change) -> bool:  # noqa: ARG002
        return True

    def resolve(self, names: Names) -> DetachPartition:
        found: DetachPartition = self._resolved(names)
        if altered := names.db.value(_TRAITS, [found.relation]):
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql: {found.relation} would lose its triggers {altered}, which "
                f"are not as those of {found.parent_name} are, and attaching it again would not bring that back",
                remedy=f"enable them as they are on {found.parent_name}, without comments",
            )
        return found

    def _state(self, db: Database) -> Observation:
        found = _attaching.find(db, self.relation)
        if found and found.parent and found.parent != self.parent_name:
            return Observation(State.DIFFERENT, f"is a {found.shown}")
        if found and found.pending:
            return Observation(State.DIFFERENT, "is being detached: detach partition … finalize")
        return Partitioning._state(self, db)

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return None

    def capture(self, db: Database) -> dict[str, Any]:
        found = _attaching.find(db, self.relation)
        identity = db.value(_IDENTITY, [self.relation])
        return {"before": found.shown if found else None, "bound": found.bound if found else "", "identity": identity}

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        now, identity = db.value(_IDENTITY, [self.relation]), captured.get("identity")
        if identity and now != identity:
            return Observation(State.DIFFERENT, f"{self.relation} is {'another table' if now else 'not there'} by now")
        return Partitioning.since(self, db, captured)

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._detach())

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        bound = captured.get("bound") or "default"
        return one_transaction(self._on_both(f"attach partition {self.relation} {bound}"))

    def lint(self) -> list[str]:
        return [
            f"takes ACCESS EXCLUSIVE on {self.parent_name} and {self.relation}, briefly",
            f"the way back reads all of {self.relation} under ACCESS EXCLUSIVE on it, unless a valid CHECK proves the "
            f"bound, and fails where a row does not fit by then; meanwhile {self.parent_name} lacks its rows",
        ]
