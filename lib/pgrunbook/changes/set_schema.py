"""ALTER … SET SCHEMA: the object stays what it is, and the undo moves it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pgrunbook import errors
from pgrunbook.changes._base import Names
from pgrunbook.changes._places import Place
from pgrunbook.changes._renames import Moved
from pgrunbook.changes.rename import RELATIONS, named
from pgrunbook.sqlfile import SqlStatement, quoted


@dataclass(frozen=True, slots=True)
class SetSchema(Moved):
    """One SET SCHEMA; `schema` is the new one."""

    kind: ClassVar[str] = "set_schema"

    schema: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> SetSchema | None:
        node: Any = statement.node
        if statement.node_kind != "alter_object_schema_stmt" or node.relation.catalogname:
            return None
        if sort := RELATIONS.get(node.object_type):
            old: Place | None = Place(sort, node.relation.schemaname, "", node.relation.relname)
        else:
            old = named(node.object_type, node.object)
        return cls(statement, old=old, schema=node.newschema) if old else None

    @property
    def new(self) -> Place:
        return replace(self.old, schema=self.schema)

    @property
    def creates_in(self) -> str:
        return self.schema

    def _written(self, names: Names) -> tuple[Place, Place]:
        return self._at_home(names).old, self.new

    def resolve(self, names: Names) -> SetSchema:
        where = f"line {self.written.line} of migrate.sql"
        there = names._schemas.get(self.schema, names.db.value(_THERE, [self.schema]))
        if not there and not names.blind:
            raise errors.PreflightFailed(
                f"schema {quoted(self.schema)} does not exist on {names.db.target.name} ({where})",
                remedy="make it before: create schema",
            )
        home = self._at_home(names)
        meant = names.find("", self.old.name) if self.sort.what == "relation" and not self.old.schema else None
        if meant and meant.schema not in (home.old.schema, self.schema):
            raise errors.PreflightFailed(
                f"{where} moves {self.old}, which stands in {meant.schema}: without its schema it would mean another "
                "object once it is moved",
                remedy=f"write {quoted(meant.schema, self.old.name)}",
            )
        found = home._resolved(names)
        assert isinstance(found, SetSchema)  # noqa: S101
        return found

    def _at_home(self, names: Names) -> SetSchema:
        """With a schema where none is written: the first of the search_path that is not the one it is moved to."""
        if self.old.schema:
            return self
        path = [s for s in names._wanted_path if s != self.schema and names.has_schema(s)]
        return replace(self, old=replace(self.old, schema=path[0] if path else ""))

    def _moving(self, one: Place, other: Place) -> str:
        return f"alter {self.sort.word} {one} set schema {quoted(other.schema)}"


_THERE = "select exists (select from pg_catalog.pg_namespace where nspname = $1)"
