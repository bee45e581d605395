"""What the kinds that drop an object have in common: never with CASCADE, and the way back makes it again as it was."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _definitions
from pgrunbook.changes._base import (
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    one_transaction,
    statement_label,
)
from pgrunbook.changes._definitions import Found
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_NAMES = {"list": "items", "type_name": "names", "object_with_args": "objname"}


@dataclass(frozen=True, slots=True)
class Foretold(Relation):
    """A relation that was there until the change that drops it was done."""


@dataclass(frozen=True, slots=True)
class Dropped(Defined):
    """One object of a DROP; `schema` is empty until it is resolved, or written.

    `blocked` is what depends on the object.
    """

    drops: ClassVar[bool] = True
    # nothing is lost where an undo drops what stands there and makes it again
    remade: ClassVar[bool] = False
    # of DROP, and the words for it
    objects: ClassVar[Mapping[int, str]] = {}

    schema: str = ""
    blocked: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Self | None:
        return cls._one_of(statement)

    @classmethod
    def _one_of(cls, statement: SqlStatement) -> Self | None:
        node: Any = statement.node
        if statement.node_kind != "drop_stmt" or node.remove_type not in cls.objects or len(node.objects) != 1:
            return None
        names = names_in(node.objects[0])
        if not cls._takes(names) or names[0] == "pg_temp":
            return None
        return cls(statement, schema=cls._schema_in(names))

    @classmethod
    def _takes(cls, names: Sequence[str]) -> bool:
        return 0 < len(names) < 3

    @classmethod
    def _schema_in(cls, names: Sequence[str]) -> str:
        return names[-2] if len(names) > 1 else ""

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _word(self) -> str:
        return self.objects[self._node.remove_type]

    @property
    def name(self) -> str:
        return names_in(self._node.objects[0])[-1]

    @property
    def label(self) -> str:
        return statement_label(self.written) if self.destroys else self.name

    @property
    def object(self) -> str:
        return quoted(self.schema, self.name)

    @property
    @abc.abstractmethod
    def subject(self) -> str:
        """As the change that makes such an object calls it."""

    @property
    def idents(self) -> tuple[str, ...]:
        return (self.subject,)

    @property
    def if_different(self) -> str:
        return "drop or change these by statements of their own before it: nothing is dropped with CASCADE here"

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> Self:
        found = self._found(names)
        if found._made_before(names):
            if not any(c.begins and c.subject == found.subject for c in names.earlier):
                raise errors.PreflightFailed(
                    f"{self._where} drops {found.object}, which an earlier line renames or sets: once done, nothing "
                    "tells so",
                    remedy="leave both lines out; or answer in rollback.sql for them and for all that makes or uses "
                    "what they rename: then the ledger remembers them",
                )
            names.there[found.subject] = False
            return replace(found, passing=True)
        before = names.there.get(found.subject)
        names.there[found.subject] = False
        now = None if before is False else found.find(names.db)
        if now is None:
            return found
        return replace(found, blocked=tuple(_definitions.in_the_way(names, now, cascade=self._cascades)))

    def _made_before(self, names: Names) -> bool:
        """Whether an earlier change makes what is dropped, or changes what it is."""
        return names.there.get(self.subject, False)

    def _found(self, names: Names) -> Self:
        """The change with the names that it has on the target. Raises `PreflightFailed`."""
        return replace(self, schema=self.schema or names.creation_schema)

    @property
    def _cascades(self) -> bool:
        return bool(self._node.behavior == _PB.DROP_CASCADE)

    @property
    def _where(self) -> str:
        return f"line {self.written.line} of migrate.sql"

    def _require_schema(self, names: Names, found: str) -> None:
        """Raise `PreflightFailed` for a name that means something else once the object is gone."""
        if not self.schema and found != names.creation_schema:
            qualified = quoted(found, self.name)
            raise errors.PreflightFailed(
                f"{self._where} drops {qualified} without naming its schema; once gone, the name means another",
                remedy=f"write it as {qualified}",
            )

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            put_names(node.objects[0], [*([self.schema] if self.schema else []), self.name])
            plain(node)

        return sqlfile.rewritten(self.written.sql, qualify)

    # -- what is there -------------------------------------------------------------------------------------

    @abc.abstractmethod
    def find(self, db: Database) -> Found | None:
        """The object in the catalog."""

    def now(self, db: Database) -> str | None:
        found = self.find(db)
        return _definitions.of(db, found).text if found else None

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return None

    def _state(self, db: Database) -> Observation:
        seen = Defined._state(self, db)
        if seen.state is State.ABSENT and self.blocked:
            return Observation(State.DIFFERENT, f"{self.object} can't be dropped: {'; '.join(self.blocked)}")
        return seen

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        found = self.find(db)
        if found is None:
            return Observation(State.PRESENT, "is not there")
        now = _definitions.of(db, found)
        if now.text == captured.get("before"):
            return Observation(State.ABSENT, "is as it was before")
        if self.remade and now.own == captured.get("own"):
            return Observation(State.PRESENT, "not all of it is back")
        return Observation(State.DIFFERENT, f"planned: none; found: {now.text}")

    def capture(self, db: Database) -> dict[str, Any]:
        found = self.find(db)
        if found is None:
            return {"before": None}
        now = _definitions.of(db, found)
        _definitions.refuse_lacking(now, self._where)
        return {"before": now.text, "own": now.own, "statements": [now.own, *now.rest, *now.values]}

    # -- there and back ------------------------------------------------------------------------------------

    @property
    def _drop(self) -> str:
        return f"drop {self._word} {self.object}"

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._on(self._drop))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        statements = captured.get("statements", [])
        if not statements:
            return []
        first = [self._drop.replace(f"drop {self._word}", f"drop {self._word} if exists", 1)] if self.remade else []
        return one_transaction(*map(self._on, [*first, *statements]))

    def _on(self, text: str) -> Statement:
        lock = LockMode.ACCESS_EXCLUSIVE if self.relation else LockMode.NONE
        return Statement(text, lock, self.relation)

    def lint(self) -> list[str]:
        notes = [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly: who reads it waits"] if self.relation else []
        if self._cascades:
            notes.append("CASCADE is left out: what depends on it would be dropped unseen, and nothing does by then")
        return notes


@dataclass(frozen=True, slots=True)
class DroppedRelation(Dropped):
    """The drop of a relation; `letters` are its kinds as in pg_class.relkind."""

    letters: ClassVar[str] = ""

    gone: bool = field(default=False, compare=False)

    @property
    def relation(self) -> str:
        return self.object

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"relation {self.object}",)

    def _found(self, names: Names) -> Self:
        found = names.find(self.schema, self.name)
        if found is None or isinstance(found, Foretold):
            schema = found.schema if found else self.schema or names.creation_schema
            return replace(self, schema=schema, gone=found is not None)
        self._require_schema(names, found.schema)
        relation = names.relation(self.schema, self.name, self.written, self.letters)
        return replace(self, schema=relation.schema)

    def _made_before(self, names: Names) -> bool:
        return names.makes(self.object) or Dropped._made_before(self, names)

    def not_yet(self, db: Database) -> bool:
        return not self.gone and Change.not_yet(self, db)

    def find(self, db: Database) -> Found | None:
        found = db.one("relation", Relation, name=self.object)
        return Found(_definitions.RELATION, found.oid) if found and found.kind in self.letters else None

    def foretell(self, names: Names) -> None:
        schema = self.schema or names.creation_schema
        if schema and names.find(self.schema, self.name) is None:
            was = quoted(schema, self.name)
            names.add(Foretold(0, schema, self.name, self.letters[0], now=was))

    def follow(self, names: Names) -> None:
        names.drop(Relation(0, self.schema, self.name, self.letters[0]))

    def takes_away(self, other: Change) -> bool:
        made = other.makes
        return other.relation == self.object or (made is not None and str(made) == self.object)


def names_in(item: Any) -> list[str]:
    """The parts of a name in the list of a DROP."""
    kind = item.WhichOneof("node")
    if kind not in _NAMES:
        return [str(item.string.sval)]
    return [str(part.string.sval) for part in getattr(getattr(item, kind), _NAMES[kind])]


def put_names(item: Any, names: Sequence[str]) -> None:
    """Write the parts of a name into the list of a DROP."""
    kind = item.WhichOneof("node")
    if kind not in _NAMES:
        item.string.sval = names[-1]
        return
    parts = getattr(getattr(item, kind), _NAMES[kind])
    del parts[:]
    for name in names:
        parts.add().string.sval = name


def plain(node: Any) -> None:
    """Leave out CASCADE; what is not there is no mistake."""
    node.behavior, node.missing_ok = _PB.DROP_RESTRICT, True
