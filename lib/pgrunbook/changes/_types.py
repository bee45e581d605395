"""Types: what a name means where the migration may make the type itself, and what later changes make of an enum."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.sql import Literal

from pgrunbook import errors
from pgrunbook.changes._base import Change, Defined, LockMode, Names, Observation, Phase, Statement, one_transaction
from pgrunbook.changes._functions import Signature, Type, find_type, type_named
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

# no name of a type that another one may use
SCRATCH = "pgrunbook_type"


@dataclass(frozen=True, slots=True)
class EnumChange(Change):
    """A change that gives an enum another value, or a value another name."""

    @property
    @abc.abstractmethod
    def enum(self) -> str:
        """The qualified name of the type."""

    @property
    def adds(self) -> str:
        """The value that it adds; empty for none."""
        return ""

    @abc.abstractmethod
    def without(self, labels: Sequence[str]) -> list[str]:
        """An enum's values as they are without this change, be it done or not."""


@dataclass(frozen=True, slots=True)
class FoundType:
    """A type as a person would write it; `labels` are an enum's values, `multirange` is the type beside a range."""

    definition: str
    labels: list[str]
    multirange: str | None


@dataclass(frozen=True, slots=True)
class NewType(Defined):
    """What makes a type. `there_before`: whether an earlier change makes (or drops) one of its name."""

    there_before: bool | None = None

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    @abc.abstractmethod
    def _name(self) -> tuple[str, str]:
        """Schema (empty before it is resolved) and name."""

    @property
    def label(self) -> str:
        return self._name[1]

    @property
    def object(self) -> str:
        return quoted(*self._name)

    @property
    def subject(self) -> str:
        return subject(*self._name)

    @property
    def creates_in(self) -> str:
        return self._name[0]

    @property
    def replaces(self) -> bool:
        return self.there_before is False  # an earlier change drops the one that stands there

    def follow(self, names: Names) -> None:
        names.add(self.makes)
        names.there[self.subject] = True

    def resolved_sql(self) -> str:
        return self.written.sql

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.NONE, ""))


def found(db: Database, name: str, constraints: Iterable[str] = ()) -> FoundType | None:
    """The type of a qualified name; `constraints` are those of a domain whose names count."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("type", FoundType, name=name, named=list(constraints))


def search_own_last(db: Database) -> None:
    """In a scratch transaction: a name means what it means without the scratch objects, which come first otherwise."""
    db.value("select pg_catalog.set_config('search_path', current_setting('search_path') || ', pg_temp', true)")


def rename(parts: Any, schema: str, name: str) -> None:
    """Write another qualified name into a node."""
    del parts[:]
    for part in (schema, name):
        parts.add().string.sval = part


def subject(schema: str, name: str) -> str:
    """How changes and `Names.there` call a type."""
    return f"type {quoted(schema, name)}"


def find(names: Names, schema: str, name: str) -> Type | None:
    """The type of a name as it will be once the changes resolved so far are done; None for none."""
    return find_type(names, schema, name)


def named(names: Names, schema: str, name: str, written: SqlStatement) -> Type:
    """As `find`. Raises `PreflightFailed` where there is none."""
    return type_named(names, Signature(schema, name, None), written)


def schema_for_new(names: Names, schema: str, name: str, written: SqlStatement) -> str:
    """The schema in which an object is made. Raises `PreflightFailed` where there is none."""
    schema = schema or names.creation_schema
    if not schema:
        raise errors.PreflightFailed(
            f"line {written.line} of migrate.sql makes {name} in no schema: none of the search_path exists",
            remedy="check the runbook's search_path and the target",
        )
    return schema


def name_of(parts: Iterable[str]) -> tuple[str, str]:
    """Schema (empty where none is written) and name; of what has a database's name before it, the last two."""
    *before, name = parts
    return (before[-1] if before else ""), name


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return Literal(text).as_string().strip()
