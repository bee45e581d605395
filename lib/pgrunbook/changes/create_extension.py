"""CREATE EXTENSION."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgrunbook import errors
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
    quoted,
)
from pgrunbook.changes._parts import part_of
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement


@dataclass(frozen=True, slots=True)
class _Installed:
    version: str
    schema: str
    config: list[str]


@dataclass(frozen=True, slots=True)
class Available:
    """A version of an extension that the server could install; `schema` is the one that it has to be in."""

    version: str
    for_superuser: bool
    trusted: bool
    schema: str | None
    requires: list[str]


@dataclass(frozen=True, slots=True)
class CreateExtension(Change):
    """One CREATE EXTENSION. What the server has to give is known where it is not installed yet."""

    kind: ClassVar[str] = "create_extension"

    available: Available | None = None

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateExtension | None:
        if statement.node_kind != "create_extension_stmt":
            return None
        change = cls(statement)
        return None if change._option("cascade") is not None else change  # its undo would not know the others

    def _option(self, name: str) -> str | None:
        """What an option says; None where it is not written."""
        node: Any = self.written.node
        return next((o.def_elem.arg.string.sval for o in node.options if o.def_elem.defname == name), None)

    @property
    def name(self) -> str:
        node: Any = self.written.node
        return str(node.extname)

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return quoted(self.name)

    @property
    def subject(self) -> str:
        return f"extension {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"extension {self.name}", f"comment extension {self.object}")  # most bring a comment along

    @property
    def schema(self) -> str:
        """The schema that is asked for; empty for none."""
        return self._option("schema") or ""

    @property
    def version(self) -> str:
        """The version that is asked for; empty for none."""
        return self._option("new_version") or ""

    @property
    def if_different(self) -> str:
        return (
            f"leave schema and version out where any will do; else: alter extension {self.object} set schema …, or "
            "update to …"
        )

    def resolve(self, names: Names) -> CreateExtension:
        where = f"line {self.written.line} of migrate.sql"
        found, available = _installed(names.db, self.name), None
        if found is None:
            available = self._on_offer(names, where)
        if self.schema and not names.has_schema(self.schema) and not _has_schema(names.db, self.schema):
            raise errors.PreflightFailed(
                f"schema {quoted(self.schema)} does not exist on {names.db.target.name} ({where})",
                remedy="create it before, or leave it out",
            )

        def plain(node: Any) -> None:
            node.if_not_exists = False

        return CreateExtension(part_of(self.written, plain), self.options, available=available)

    def _on_offer(self, names: Names, where: str) -> Available:
        db = names.db
        available = db.one("extension_available", Available, name=self.name, version=self.version or None)
        if available is None:
            version = f" {self.version}" * bool(self.version)
            raise errors.PreflightFailed(
                f"the server of {db.target.name} does not have extension {self.object}{version} ({where})",
                remedy="the sandbox can't have it: prove it where it is, with prove NAME --on SERVICE (an empty "
                "database) or --target SERVICE"
                if db.target.is_sandbox
                else "install its package on the server (what there is: select * from "
                "pg_available_extension_versions); of a managed server see which ones its provider allows",
            )
        for other in available.requires:
            if _installed(db, other) is None and not names.there.get(f"extension {quoted(other)}"):
                raise errors.PreflightFailed(
                    f"extension {self.object} needs extension {quoted(other)}, which is not there ({where})",
                    remedy=f"write create extension {quoted(other)} before it",
                )
        return available

    def follow(self, names: Names) -> None:
        names.there[self.subject] = True
        if made := self.schema_made(names.db):
            names.add_schema(made)

    def resolved_sql(self) -> str:
        return self.written.sql

    def schema_made(self, db: Database) -> str:
        """The schema that the server makes with it, and leaves when it is dropped; empty for none."""
        own = (self.available.schema if self.available else "") or ""
        return own if own and not _has_schema(db, own) else ""

    def state(self, db: Database) -> Observation:
        found = _installed(db, self.name)
        if found is None:
            return NOTHING_THERE
        shown = f"version {found.version} in schema {quoted(found.schema)}"
        if self.schema in ("", found.schema) and self.version in ("", found.version):
            return Observation(State.PRESENT, shown)
        asked = [f"version {self.version}"] * bool(self.version) + [f"in schema {self.schema}"] * bool(self.schema)
        return Observation(State.DIFFERENT, f"planned: {' '.join(asked)}; found: {shown}")

    def capture(self, db: Database) -> dict[str, Any]:
        return {"schema_made": self.schema_made(db)}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.NONE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        texts = [f"drop extension {self.object}"]
        if made := captured.get("schema_made"):
            texts.append(f"drop schema {quoted(made)}")
        return one_transaction(*(Statement(text, LockMode.NONE, "") for text in texts))

    def loss(self, db: Database) -> str:
        """Rows that users put into the extension's own tables."""
        found = _installed(db, self.name)
        for table in found.config if found else ():
            if db.value(f"select exists (select from {table})"):  # noqa: S608
                return f"what {table.split(' ')[0]} of extension {self.object} holds"
        return ""

    def lint(self) -> list[str]:
        if self.available is None:
            return []
        made = self.available
        if made.trusted:
            return [f"{self.object} {made.version} is a trusted extension: who may create in the database may do it"]
        if made.for_superuser:
            return [
                f"{self.object} {made.version} can only be installed by a superuser, or as the provider of a managed "
                "server lets its roles do"
            ]
        return []


def _installed(db: Database, name: str) -> _Installed | None:
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("extension", _Installed, name=name)


def _has_schema(db: Database, schema: str) -> bool:
    return bool(db.value("select pg_catalog.to_regnamespace($1) is not null", [quoted(schema)]))
