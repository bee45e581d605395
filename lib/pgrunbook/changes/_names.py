"""What a name of the migration means on the target, or will mean once the changes before it are done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_KINDS = {
    "r": "a table", "p": "a partitioned table", "v": "a view", "m": "a materialized view", "f": "a foreign table",
    "i": "an index", "I": "a partitioned index", "S": "a sequence", "c": "a type",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation by its resolved name. `kind` is pg_class.relkind; `oid` is 0 for one that the migration makes.

    `now` is the quoted name under which it stands until an earlier change renames it; empty where that is its name.
    """

    oid: int
    schema: str
    name: str
    kind: str
    now: str = ""

    def __str__(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def stands_as(self) -> str:
        """The quoted name under which its rows can be read before the migration begins."""
        return self.now or str(self)


class Names:
    """Looks names up in the target's catalog as it will be once the changes resolved so far are done."""

    def __init__(self, db: Database) -> None:
        self.db = db
        # by qualified name: what earlier changes make or rename it to; None for what they drop or rename away
        self._relations: dict[str, Relation | None] = {}
        self._schemas: dict[str, bool] = {}
        self.functions: list[str] = []
        # roles that earlier changes make
        self.roles: set[str] = set()
        # the changes resolved so far
        self.earlier: list[Any] = []
        # schemas (empty where none is written) and names of what later changes make, while changes foretell
        self.coming: set[tuple[str, str]] = set()
        # what has been renamed: the name that it has by then, and by that the one that it had at first
        self.moved: dict[Any, Any] = {}
        self.origins: dict[Any, Any] = {}
        # lines of statements whose effect is not known
        self.blind: list[int] = []
        # by subject, whether it is there once the changes resolved so far are done
        self.there: dict[str, bool] = {}

    @cached_property
    def _wanted_path(self) -> list[str]:
        """The search_path as it is set, of schemas that are there or not."""
        found = self.db.value(
            "select array(select pg_catalog.btrim(replace(s, '\"$user\"', current_user::text), '\" ')"
            " from pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.current_setting('search_path'), ',')) s)"
        )
        return [str(s) for s in found]

    @cached_property
    def _there(self) -> frozenset[str]:
        found = self.db.value("select pg_catalog.current_schemas(true)")
        return frozenset(str(s) for s in found)

    @property
    def search_path(self) -> list[str]:
        """The schemas in which an unqualified name is looked for, as they are set."""
        return self._wanted_path

    def has_schema(self, schema: str) -> bool:
        """Whether a schema of the search_path is there once the changes resolved so far are done."""
        return self._schemas.get(schema, schema in self._there)

    @property
    def creation_schema(self) -> str:
        """The schema in which an unqualified name is made; empty for none."""
        return next((s for s in self._wanted_path if self.has_schema(s)), "")

    def add(self, made: Relation | None) -> None:
        """Remember what a change makes."""
        if made:
            self._relations[str(made)] = made

    def add_schema(self, name: str, *, there: bool = True) -> None:
        """Remember a schema that a change makes, or drops."""
        self._schemas[name] = there

    def drop(self, relation: Relation) -> None:
        """Remember that a change drops a relation."""
        self._relations[str(relation)] = None

    def rename(self, relation: Relation, schema: str, name: str) -> None:
        """Remember that a change gives a relation another schema or name."""
        self._relations[str(relation)] = None
        now = relation.stands_as if relation.oid else ""
        renamed = replace(relation, schema=schema, name=name, now=now)
        self._relations[str(renamed)] = renamed

    def has_role(self, name: str) -> bool:
        """Whether the server has a role, or an earlier change makes it."""
        query = "select exists (select from pg_catalog.pg_roles where rolname = $1)"
        return name in self.roles or bool(self.db.value(query, [name]))

    def makes(self, qualified: str) -> bool:
        """Whether an earlier change makes a relation or a function of this name, be it there already or not."""
        made = self._relations.get(qualified)
        return qualified in self.functions or (made is not None and not made.now)

    def vacated(self, qualified: str) -> bool:
        """Whether earlier changes drop or rename what bears this name, so that another may have it."""
        return qualified in self._relations and self._relations[qualified] is None

    def awaited(self, qualified: str) -> bool:
        """Whether a relation comes to stand under this name by an earlier change."""
        return self._relations.get(qualified) is not None

    def find(self, schema: str, name: str) -> Relation | None:
        """The relation of a name as the server would find it under the session's search_path; None for none."""
        for one in [schema] if schema else self._wanted_path:
            if found := self._in_schema(one, name):
                return found
        found = None if schema else self.db.one("relation", Relation, name=quoted(name))  # pg_catalog, pg_temp
        return None if found is None or str(found) in self._relations else found

    def _in_schema(self, schema: str, name: str) -> Relation | None:
        qualified = quoted(schema, name)
        changed = self._relations.get(qualified)
        if qualified in self._relations and changed is None:
            return None
        if changed and changed.now and not changed.oid:  # another may have come to bear the name since
            return changed
        return self.db.one("relation", Relation, name=qualified) or changed

    def relation(self, schema: str, name: str, written: SqlStatement, kinds: str) -> Relation:
        """As `find`, of one of some kinds (letters of relkind). Raises `PreflightFailed` with the line."""
        found = self.find(schema, name)
        where = f"line {written.line} of migrate.sql"
        if found is None:
            unknown = ", ".join(map(str, self.blind))
            raise errors.PreflightFailed(
                f"{quoted(schema, name)} does not exist on {self.db.target.name} ({where})",
                remedy="check the runbook's search_path and the target"
                + (f"; if line {unknown} makes it, put that into a runbook of its own" if unknown else ""),
            )
        if found.kind not in kinds:
            wanted = " or ".join(_KINDS[k] for k in kinds)
            raise errors.PreflightFailed(
                f"{found} is {_KINDS.get(found.kind, 'no table')}, and {where} needs {wanted}",
                remedy=f"name {wanted}",
            )
        return found
