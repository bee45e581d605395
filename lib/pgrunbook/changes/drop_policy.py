"""DROP POLICY: its undo makes the policy again as it was, comment included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import postgast

from pgrunbook.changes._base import Names, Observation, Phase, one_transaction
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._policy import PolicyChange
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2


@dataclass(frozen=True, slots=True)
class DropPolicy(PolicyChange):
    """One DROP POLICY."""

    kind: ClassVar[str] = "drop_policy"
    drops: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DropPolicy | None:
        node: Any = statement.node
        if statement.node_kind != "drop_stmt" or node.remove_type != _PB.OBJECT_POLICY or len(node.objects) != 1:
            return None
        return cls(statement) if len(node.objects[0].list.items) < 4 else None

    @property
    def _name(self) -> tuple[str, str, str]:
        parts = [str(i.string.sval) for i in self._node.objects[0].list.items]
        return parts[-3] if len(parts) > 2 else "", parts[-2], parts[-1]

    def resolve(self, names: Names) -> Self:
        schema, table, policy = self._name
        relation = names.relation(schema, table, self.written, "rp")

        def qualify(node: Any) -> None:
            items = node.objects[0].list.items
            del items[:]
            for part in (relation.schema, table, policy):
                items.add().string.sval = part

        return self._resolved(names, part_of(self.written, qualify))

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return None

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self.dropped())

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        return one_transaction(*self.made_again(captured)) if captured.get("before") else []
