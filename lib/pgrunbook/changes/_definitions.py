"""Objects as they are in the catalog: the statements that make them again, and what depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from psycopg.sql import Literal

from pgrunbook import errors
from pgrunbook.changes import _policy
from pgrunbook.changes._names import Names
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

RELATION, FUNCTION, TYPE, SCHEMA = "pg_class", "pg_proc", "pg_type", "pg_namespace"
TRIGGER, STATISTICS, EXTENSION = "pg_trigger", "pg_statistic_ext", "pg_extension"
# what the rows that stand there may have against a statement
_VIOLATIONS = " or ".join(
    [
        *(f"{what}_violation" for what in ("not_null", "check", "unique", "foreign_key", "exclusion")),
        "object_not_in_prerequisite_state",  # a primary key on a column whose NOT NULL is not valid
    ]
)
_POLICIES = "select polrelid::regclass::text, polname::text from pg_policy where polrelid = $1::oid order by polname"
_POLICY_RANK = 11  # behind ENABLE ROW LEVEL SECURITY in catalog/relation_statements.sql
_WORDS = {"part of": "it is a part of ", "lost": "goes with it, and can't be brought back: "}
_PARTS = ("constraint", "policy", "trigger", "rule", "default", "column")


@dataclass(frozen=True, slots=True)
class Found:
    """An object: the catalog that it is in, its oid, and the number of the column that is meant; 0 for all of it."""

    catalog: str
    oid: int
    column: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """The statements that make an object as it is, in order.

    `own` is the one that makes it, `rest` what hangs on it, `values` sets where its sequences stood. `lacking` says
    what none of them brings back.
    """

    own: str
    rest: tuple[str, ...]
    values: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def text(self) -> str:
        """Equal for equal objects."""
        return ";\n".join([self.own, *self.rest])


@dataclass(frozen=True, slots=True)
class Dependent:
    """What depends on an object: its kind and name, as far as they tell, and the server's words for it."""

    kind: str
    schema: str
    name: list[str]
    shown: str

    @property
    def subjects(self) -> list[str]:
        """How `Names.there` calls it, and what it goes with."""
        if self.kind == "function":
            return [f"function {self.name[0]}"]
        own = [f"{self.kind} {quoted(self.schema, *self.name)}"]
        if self.kind in _PARTS:
            own += [f"{kind} {self.relation}" for kind in ("table", "view")]
        return own

    @property
    def relation(self) -> str:
        """The relation that it is, or is a part of."""
        return quoted(self.schema, self.name[0]) if self.name else ""


@dataclass(frozen=True, slots=True)
class _Part:
    rank: int
    number: int
    statement: str
    instead: str | None
    lacking: str
    sequence: str


def of(db: Database, found: Found) -> Definition:
    """An object's definition."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        parts = list(_parts(db, found))
        parts.sort(key=lambda p: p.rank)
        if found.catalog == RELATION and not found.column:
            children = [list(_parts(db, Found(RELATION, oid))) for oid in _partitions(db, found.oid)]
            parts += [p for child in children for p in sorted(child, key=lambda p: p.rank)]
        values = [_last_value(db, p.sequence, again=bool(found.column)) for p in parts if p.sequence]
    own, *rest = [_trying(p) if found.column else p.statement for p in parts if p.statement]
    return Definition(own, tuple(rest), tuple(values), tuple(dict.fromkeys(p.lacking for p in parts if p.lacking)))


def dependents(db: Database, found: Found) -> list[Dependent]:
    """What stands in the way of dropping an object without CASCADE."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.fetch("dependents", Dependent, **{"class": found.catalog, "oid": found.oid, "column": found.column})


def in_the_way(names: Names, found: Found, *, cascade: bool) -> list[str]:
    """Of what depends on an object: all that no earlier change drops, and (without CASCADE) may have changed."""
    blocking = []
    for one in dependents(names.db, found):
        dropped = any(names.there.get(subject) is False for subject in one.subjects)
        made_anew = one.kind == "view" and names.awaited(one.relation)
        told = cascade or one.kind in ("view", "constraint", "policy", "trigger", "table", "part of", "lost")
        if told and not dropped and not made_anew:
            blocking.append(_WORDS.get(one.kind, "depends on it: ") + one.shown)
    return blocking


def refuse_lacking(found: Definition, where: str) -> None:
    """Raise `PreflightFailed` for what no statement would bring back."""
    if found.lacking:
        raise errors.PreflightFailed(
            f"{where} drops what could not be brought back as it is: {'; '.join(found.lacking)}",
            remedy="change that by a statement before it; or answer for the way back in rollback.sql, or with "
            "irreversible in runbook.toml",
        )


def _parts(db: Database, found: Found) -> Iterator[_Part]:
    """An object's statements with those of the sequences that are its columns' own. In a search_path of pg_catalog."""
    where = {"class": found.catalog, "oid": found.oid, "column": found.column}
    if found.catalog != RELATION:
        yield from db.fetch("object_statements", _Part, **where)
    else:
        made = db.fetch("relation_statements", _Part, oid=found.oid, column=found.column)
        yield from made
        for name in [p.sequence for p in made if p.sequence]:
            oid = _oid(db, name)
            if oid != found.oid:
                yield from db.fetch("object_traits", _Part, **{"class": RELATION, "oid": oid, "column": 0})
        for relation, name in [] if found.column else db.rows(_POLICIES, [found.oid]):
            policy = _policy.found(db, relation, name)
            yield _Part(_POLICY_RANK, 1, policy.definition if policy else "", None, "", "")
    yield from db.fetch("object_traits", _Part, **where)


def _partitions(db: Database, oid: int) -> Iterable[int]:
    query = (
        "select relid::oid::int8 from pg_partition_tree($1::oid) where level > 0 order by level, relid::regclass::text"
    )
    return [int(row[0]) for row in db.rows(query, [oid])]


def _oid(db: Database, name: str) -> int:
    return int(db.value("select $1::regclass::oid::int8", [name]))


def _last_value(db: Database, name: str, *, again: bool) -> str:
    """Set a sequence to where it stands; `again`: where the rows that are there have not brought it further."""
    query = (
        f"select last_value, is_called, seqincrement > 0 from {name}, pg_sequence"  # noqa: S608
        " where seqrelid = $1::regclass"
    )
    last, called, upwards = db.rows(query, [name])[0]
    literal = Literal(name).as_string()
    if not again:
        return f"select pg_catalog.setval({literal}, {last}, {str(called).lower()})"
    furthest = "greatest" if upwards else "least"
    return (
        f"select pg_catalog.setval({literal}, {furthest}(last_value, {last}), is_called or {str(called).lower()})"  # noqa: S608
        f" from {name}"
    )


def _trying(part: _Part) -> str:
    """A statement that gives way to another where the rows that stand there violate what it asks for."""
    if part.instead is None:
        return part.statement
    otherwise = part.instead or f"raise warning 'left out: %', {Literal(part.statement).as_string()}"
    body = f"begin {part.statement}; exception when {_VIOLATIONS} then {otherwise}; end"
    return f"do {Literal(body).as_string()}"
