"""What a name of the migration means on the target, or will mean once the changes before it are done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_KINDS = {
    "r": "a table", "p": "a partitioned table", "v": "a view", "m": "a materialized view", "f": "a foreign table",
    "i": "an index", "I": "a partitioned index", "S": "a sequence", "c": "a type",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation by its resolved name. `kind` is pg_class.relkind; `oid` is 0 for one that the migration makes."""

    oid: int
    schema: str
    name: str
    kind: str

    def __str__(self) -> str:
        return quoted(self.schema, self.name)


class Names:
    """Looks names up in the target's catalog, and among the relations and functions that earlier changes make."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._relations: list[Relation] = []
        self.functions: list[str] = []
        # by subject, whether it is there once the changes resolved so far are done
        self.there: dict[str, bool] = {}

    @cached_property
    def creation_schema(self) -> str:
        """The schema in which an unqualified name is made."""
        return str(self.db.value("select pg_catalog.current_schema()") or "")

    def add(self, made: Relation | None) -> None:
        """Remember what a change makes."""
        if made:
            self._relations.append(made)

    def makes(self, qualified: str) -> bool:
        """Whether an earlier change makes a relation or a function of this name, be it there already or not."""
        return qualified in self.functions or any(str(r) == qualified for r in self._relations)

    def find(self, schema: str, name: str) -> Relation | None:
        """The relation of a name as the server would find it under the session's search_path; None for none."""
        found = self.db.one("relation", Relation, name=quoted(schema, name))
        if found is not None:
            return found
        made = (r for r in self._relations if r.name == name and schema in ("", r.schema))
        return next(made, None)

    def relation(self, schema: str, name: str, written: SqlStatement, kinds: str) -> Relation:
        """As `find`, of one of some kinds (letters of relkind). Raises `PreflightFailed` with the line."""
        found = self.find(schema, name)
        where = f"line {written.line} of migrate.sql"
        if found is None:
            raise errors.PreflightFailed(
                f"{quoted(schema, name)} does not exist on {self.db.target.name} ({where})",
                remedy="check the runbook's search_path and the target",
            )
        if found.kind not in kinds:
            wanted = " or ".join(_KINDS[k] for k in kinds)
            raise errors.PreflightFailed(
                f"{found} is {_KINDS.get(found.kind, 'no table')}, and {where} needs {wanted}",
                remedy=f"name {wanted}",
            )
        return found
