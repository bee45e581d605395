"""Objects that get another name or schema: the same object before and after, told by the name that it bears."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _functions, _types
from pgrunbook.changes._base import (
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.changes._functions import Signature, Type
from pgrunbook.changes._places import NOWHERE, Place, Sort, below, may_mention, mentions, qualified, reads
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

# the kinds of change that make what is not a relation, by its sort
_MAKERS = {
    "column": ("add_column",),
    "constraint": ("add_constraint",),
    "trigger": ("create_trigger",),
    "policy": ("create_policy",),
    "function": ("create_function",),
    "type": ("create_type", "create_domain"),
}
# the kinds that keep a query, whose `*` means all columns that there are then
_QUERIES = ("create_view", "create_materialized_view", "create_table_as")
_OWN = {"relation", "function", "type", "schema"}  # what belongs to no table


@dataclass(frozen=True, slots=True)
class Moved(Change):
    """One object that gets another name or schema.

    `displaced` is where an earlier change of the migration puts what bears the new name before; `remade` is the later
    one that gives the old name to another object. `found` is the relation that it is, `table` that of an index.
    """

    renames: ClassVar[bool] = True

    old: Place = NOWHERE
    found: Relation | None = field(default=None, compare=False)
    table: str = field(default="", compare=False)
    displaced: Place | None = field(default=None, compare=False)
    remade: Change | None = field(default=None, repr=False, compare=False)

    @property
    @abc.abstractmethod
    def new(self) -> Place:
        """The name that it gets."""

    @abc.abstractmethod
    def _moving(self, one: Place, other: Place) -> str:
        """The statement that leads from one name to the other."""

    @property
    def sort(self) -> Sort:
        return self.old.sort

    @property
    def object(self) -> str:
        return str(self.new)

    @property
    def subject(self) -> str:
        return self.new.subject

    @property
    def relation(self) -> str:
        if self.sort.what == "relation":
            return self.table if self._is_index else str(self.old)
        return "" if self.sort.what in _OWN or self.sort.what == "value" else self.old.holder

    @property
    def _is_index(self) -> bool:
        return self.sort.word == "index"

    @property
    def makes(self) -> Relation | None:
        if self.sort.what != "relation":
            return None
        kind = self.found.kind if self.found else self.sort.kinds[0]
        return Relation(0, self.new.schema, self.new.name, kind)

    @property
    def moves_rows(self) -> Mapping[str, str]:
        return {str(self.old): str(self.new)} if self.sort.what == "relation" else {}

    @property
    def idents(self) -> tuple[str, ...]:
        words = {"relation": "index" if self._is_index else "relation", "value": "enum"}
        word = words.get(self.sort.what, self.sort.what)
        places = (self.old.holder,) if self.sort.what == "value" else (self.old, self.new)
        also = [f"sequence {p}" for p in places if self.sort.word == "sequence"]
        return (*(f"{word} {place}" for place in places), *also)

    def may_follow(self, before: Change) -> bool:  # noqa: ARG002
        return True  # the server gives no name twice, and the plan looks at both

    # -- names ---------------------------------------------------------------------------------------------

    def foretell(self, names: Names) -> None:
        old, new = self._written(names)
        if self.sort.what == "relation":
            found = names.find(new.schema, new.name)
            standing = found and names.find(old.schema, old.name)
            remade = standing and {("", old.name), (standing.schema, old.name)} & names.coming
            if found and found.kind in self.sort.kinds and (remade or not standing):
                schema = old.schema or found.schema
                names.add(Relation(0, schema, old.name, found.kind, now=found.stands_as))
        elif self.sort.what == "function":
            there = _signature(names, new)
            if there and not _signature(names, old):
                schema = old.schema or there.schema
                names.functions.append(str(Signature(schema, old.name, there.types)))
        elif self.sort.what == "type":
            type_ = self._type(names, new.schema, new.name)
            if type_ and not self._type(names, old.schema, old.name):
                names.there[_types.subject(old.schema or type_.schema, old.name)] = True
        elif self.sort.what == "schema":
            if new.look(names.db) and not old.look(names.db):
                names.add_schema(old.name)
                for one in names.db.fetch("relations_in", Relation, schema=new.name):
                    names.add(Relation(0, old.name, one.name, one.kind, now=str(one)))
        elif holder := self._holder(names):
            old, new = replace(old, schema=holder.schema), replace(new, schema=holder.schema)
            if (new.look(names.db) or names.there.get(new.subject)) and not old.look(names.db):
                names.there[old.subject] = True

    def _holder(self, names: Names) -> Relation | Type | None:
        find = self._type if self.sort.what == "value" else Names.find
        return find(names, self.old.schema, self.old.on)

    def _type(self, names: Names, schema: str, name: str) -> Type | None:
        try:
            return _functions.type_named(names, Signature(schema, name, None), self.written)
        except errors.PreflightFailed:
            return None

    def _written(self, names: Names) -> tuple[Place, Place]:  # noqa: ARG002
        """Both names as they are to be looked up before the change is resolved."""
        return self.old, self.new

    def _resolved(self, names: Names) -> Moved:
        """With its old name qualified, and what it has to do with the changes before it. Raises `PreflightFailed`."""
        place, found = qualified(names, self.old, self.written)
        known = replace(self, old=place, found=found)
        if found and self._is_index:
            known = replace(known, table=names.db.value(_TABLE_OF, [found.stands_as]) or "")
        return known._beside(names)

    def _beside(self, names: Names) -> Moved:
        """What it has to do with the changes before it: they may move what bears its new name, or make it itself."""
        origin = names.origins.get(self.old, self.old)
        place, displaced = self.new, names.moved.get(self.new)
        while place != origin and place in names.moved:
            place = names.moved[place]
        if place == origin:
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql closes a circle of names: {self.new} is one again that an "
                "earlier line takes, so that names can't tell whether it was done",
                remedy="leave the last one its new name; or answer for all of these lines in rollback.sql",
            )
        known = origin != self.old or names.blind or self.old.look(names.db) or self._is_done(names, displaced)
        if not known and not any(self.is_made_by(c) for c in names.earlier):
            raise errors.PreflightFailed(
                f"{self.sort.what} {self.old} does not exist on {names.db.target.name} "
                f"(line {self.written.line} of migrate.sql)",
                remedy="check the name, and the runbook's search_path and the target",
            )
        return replace(self, displaced=displaced)

    def _is_done(self, names: Names, displaced: Place | None) -> bool:
        """Whether it is, as far as names tell, or its object is on a relation that is not there yet, or no more."""
        if displaced and not displaced.look(names.db):
            return False
        if self.sort.what in _OWN:
            return True
        if self.sort.what == "value":
            gone = names.db.value("select pg_catalog.to_regtype($1) is null", [self.old.holder])
        else:
            holder = names.find(self.old.schema, self.old.on)
            gone = holder is not None and not holder.oid
        return gone or names.there.get(self.old.subject, False)

    def is_made_by(self, other: Change) -> bool:
        """Whether an earlier change makes the object, or the one that it belongs to."""
        made = str(other.makes) if other.makes else other.object
        return (
            made in (str(self.old), self.old.holder)
            or other.subject == f"type {self.old.holder}"
            or (other.kind in ("add_enum_value", "value_of_new_enum") and other.object == str(self.old))
            or (other.object == str(self.old) and other.kind in _MAKERS.get(self.sort.what, ()))
        )

    def follow(self, names: Names) -> None:
        origin = names.origins.pop(self.old, self.old)
        names.moved[origin], names.origins[self.new] = self.new, origin
        names.there[self.old.subject], names.there[self.new.subject] = False, True
        if self.sort.what == "function":
            kept = [f for f in names.functions if f != str(self.old)]
            names.functions[:] = [*kept, str(self.new)]
        elif self.sort.what == "schema":
            names.add_schema(self.old.name, there=False)
            names.add_schema(self.new.name)
            made = [r for r in names._relations.values() if r and r.schema == self.old.name]
            now = names.db.fetch("relations_in", Relation, schema=self.old.name)
            for one in [*now, *made]:
                _rename(names, one, self.new.name, one.name)
        elif relation := self.found or (self.sort.what == "type" and names.find(self.old.schema, self.old.name)):
            _rename(names, relation, self.new.schema, self.new.name)

    def followed_by(self, later: Sequence[Change]) -> Change:
        own = {self.new.name, self.old.name, self.old.on} - {""}
        later = [c for c in later if _is_wide(c) or any(may_mention(c, name) for name in own)]
        known = Change.followed_by(self, later)
        remade = next((c for c in later if self._is_remade_by(c)), None)
        return replace(self, later=known.later, remade=remade)

    def _is_remade_by(self, other: Change) -> bool:
        if isinstance(other, Moved):
            return other.new == self.old
        if self.sort.what == "relation":
            made = other.makes
            return made is not None and (made.schema, made.name) == (self.old.schema, self.old.name)
        return other.kind in _MAKERS.get(self.sort.what, ()) and other.object == str(self.old)

    def takes_away(self, other: Change) -> bool:
        # a statement that never says the name costs no look at its tree; the server names indexes itself
        if not may_mention(other, self.old.on or self.old.name) and other.kind not in (
            "create_index",
            "add_constraint",
        ):
            return False
        if isinstance(other, Moved) and other.new == self.old:
            return True
        match self.sort.what:
            case "relation":
                if self._is_index:
                    return other.object == str(self.old)
                return reads(other, self.old) or str(self.old) in (other.relation, other.object)
            case "schema":
                head = f"{quoted(self.old.name)}."
                inside = any(name.startswith(head) for name in (other.object, other.relation))
                return inside or other.object == str(self.old)
            case "function" | "type":
                return other.object == str(self.old) or mentions(other, self.old.name)
            case "value":
                made = other.object == str(self.old)
                return made or any(name == "a_const" and node.sval.sval == self.old.name for name, node in below(other))
            case "column":
                if other.kind == "create_table":  # it compares what later changes leave
                    return False
                whole = other.kind in _QUERIES and any(name == "a_star" for name, _ in below(other))
                return (whole or mentions(other, self.old.name)) and self._on_same(other)
            case _:
                return other.object == str(self.old) and self.sort.what in (*other.kind.split("_"), _of_comment(other))

    def _on_same(self, other: Change) -> bool:
        if other.relation == self.old.holder or str(other.makes) == self.old.holder:
            return True
        return reads(other, Place(self.sort, self.old.schema, "", self.old.on))

    # -- state ---------------------------------------------------------------------------------------------

    def not_yet(self, db: Database) -> bool:
        if self.sort.what == "relation":
            return self.awaited and not (self.old.look(db) or self.new.look(db))
        return Change.not_yet(self, db)

    def state(self, db: Database) -> Observation:
        seen = self._seen(db)
        if seen.state is not State.PRESENT and self.later and self.later.standing(db).state is State.PRESENT:
            return Observation(State.PRESENT, f"line {self.later.written.line} takes it up, and that is done")
        return seen

    def _seen(self, db: Database) -> Observation:
        old, new = self.old.look(db), self.new.look(db)
        if old and self.remade and self.remade.standing(db).state is State.PRESENT:
            old = ""  # that is another one, which has come to stand there since
        if new and self.displaced and not self.displaced.look(db):
            new = ""  # that is another one, which has not moved away yet
        if old and new:
            return Observation(State.DIFFERENT, f"there are both {self.old} and {self.new}")
        if new and self.replacing:
            return Observation(State.ABSENT, f"whether {self.new} is the one that is to go, only the ledger can tell")
        if new:
            return Observation(State.PRESENT, f"{self.new} is there, {self.old} is not")
        return Observation(State.ABSENT, f"{self.old} is there" if old else "is not there yet")

    @property
    def if_different(self) -> str:
        return "drop or rename the one that bears the new name, or leave the statement out"

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        old, new = self.old.look(db), self.new.look(db)
        identity = captured.get("identity")
        if (new == identity) if identity else (new and not old):
            return Observation(State.PRESENT, str(self.new))
        if (old == identity) if identity else (old and not new):
            return Observation(State.ABSENT, "is as it was before")
        return Observation(State.DIFFERENT, f"neither {self.old} nor {self.new} is the one that it was done to")

    def capture(self, db: Database) -> dict[str, Any]:
        is_index = self._is_index or (self.found and self.found.kind in "iI")
        # a REINDEX … CONCURRENTLY makes another index of the same name
        return {"identity": "" if is_index else self.old.look(db)}

    def carried(self, sql: str) -> str:
        """An earlier statement as it would be with the new name of a relation, a schema or a column."""

        def edit(statement: Any) -> None:
            nodes: list[Any] = [statement, *(node for _, node in sqlfile.walk(statement))]
            tables = [n for n in nodes if n.DESCRIPTOR.name == "RangeVar"]
            if self.sort.what == "schema":
                for table in (t for t in tables if t.schemaname == self.old.name):
                    table.schemaname = self.new.name
            elif self.sort.what == "relation":
                for table in (t for t in tables if (t.schemaname, t.relname) == (self.old.schema, self.old.name)):
                    table.schemaname, table.relname = self.new.schema, self.new.name
            elif self.sort.what == "column" and any(
                (t.schemaname, t.relname) == (self.old.schema, self.old.on) for t in tables
            ):
                for node in (n for n in nodes if n.DESCRIPTOR.name == "ColumnDef" and n.colname == self.old.name):
                    node.colname = self.new.name

        return sqlfile.rewritten(sql, edit)

    def resolved_sql(self) -> str:
        return self._moving(self.old, self.new)

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(self.old, self.new))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(self.new, self.old))

    def _statement(self, one: Place, other: Place) -> Statement:
        text = self._moving(one, other)
        if self._is_index:
            return Statement(text, LockMode.SHARE_UPDATE_EXCLUSIVE, str(one))
        if self.sort.what == "relation":
            return Statement(text, LockMode.ACCESS_EXCLUSIVE, str(one))
        return Statement(text, LockMode.ACCESS_EXCLUSIVE if self.relation else LockMode.NONE, self.relation)

    def lint(self) -> list[str]:
        if self.replacing:
            return [
                f"{self.new} is another one before and after: the ledger alone tells whether it was done, so where it "
                "was done without this runbook, it is done once more; to rename the old one out of the way, and drop "
                "it a release later, loses nothing",
                *replace(self, replacing=False).lint(),
            ]
        if self._is_index:
            return ["takes SHARE UPDATE EXCLUSIVE on the index: nobody waits"]
        breaks = (
            f"what the application says of {self.old} breaks at the moment of the commit, and by the undo what it says "
            f"of {self.new}"
        )
        match self.sort.what:
            case "relation":
                advice = f"; a view under the old name, made right after it, lets both work ({self.old})"
                return [f"takes ACCESS EXCLUSIVE on {self.old}, briefly", breaks + advice]
            case "column":
                advice = "; to add a column, fill it, and drop the old one later breaks nothing"
                return [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly", breaks + advice]
            case "function" | "type" | "schema":
                return [breaks + "; the bodies of functions name it as text, and are not rewritten"]
            case "value":
                return [breaks]
            case _:
                return [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly"]


_TABLE_OF = (
    "select pg_catalog.format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_index i"
    " join pg_catalog.pg_class c on c.oid = i.indrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
    " where i.indexrelid = pg_catalog.to_regclass($1)"
)


def _rename(names: Names, relation: Relation, schema: str, name: str) -> None:
    """Tell of a relation's new name; one that bears it already stands for the one that was there before."""
    known = relation
    if relation.now and not relation.oid:
        done = names.db.one("relation", Relation, name=relation.now)
        known = replace(relation, oid=done.oid if done else 0)
    names.rename(known, schema, name)


def _signature(names: Names, place: Place) -> Signature | None:
    found = _functions._lookup(names.db, Signature(place.schema, place.name, place.types))
    if len(found) != 1:
        return None
    return Signature(found[0].schema, found[0].name, tuple(found[0].types))


def _is_wide(change: Change) -> bool:
    """Whether it takes more away than it names."""
    return "schema" in change.kind or "extension" in change.kind or "owned" in change.kind


def _of_comment(change: Change) -> str:
    """What sort of object a COMMENT is on; empty for another kind of change."""
    sort = getattr(change, "sort", None)
    return str(getattr(sort, "what", "")) if change.kind == "comment" else ""
