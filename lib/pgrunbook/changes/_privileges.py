"""What GRANT and REVOKE have in common: privileges as single bits, how they are read, and how one set becomes another.

A statement of a migration owns the bits that no later GRANT or REVOKE of the migration takes up again. It does and
undoes those alone, so that `REVOKE ALL …; GRANT SELECT …` never takes SELECT away for a moment, and either can be done
already without the other.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

import postgast

from pgrunbook import errors
from pgrunbook.changes import _functions
from pgrunbook.changes._base import (
    Change,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
)
from pgrunbook.changes._functions import Signature, type_named
from pgrunbook.changes.raw_sql import RawSql
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
PUBLIC = "public"
_RELATIONS = "rpvmfS"
_ON_COLUMNS = ("SELECT", "INSERT", "UPDATE", "REFERENCES")
_CATALOGS = {"relation": "pg_class", "function": "pg_proc", "schema": "pg_namespace", "type": "pg_type"}
# how the statement calls the object, and what sort of object that is
_WORDS = {
    _PB.OBJECT_TABLE: ("table", "relation"),
    _PB.OBJECT_SEQUENCE: ("sequence", "relation"),
    _PB.OBJECT_FUNCTION: ("function", "function"),
    _PB.OBJECT_PROCEDURE: ("procedure", "function"),
    _PB.OBJECT_ROUTINE: ("routine", "function"),
    _PB.OBJECT_SCHEMA: ("schema", "schema"),
    _PB.OBJECT_TYPE: ("type", "type"),
    _PB.OBJECT_DOMAIN: ("domain", "type"),
}
_ME = (_PB.ROLESPEC_CURRENT_ROLE, _PB.ROLESPEC_CURRENT_USER, _PB.ROLESPEC_SESSION_USER)


class Right(NamedTuple):
    """A privilege as a statement names it, empty for ALL; `column` is empty for the whole object."""

    privilege: str
    column: str


class Bit(NamedTuple):
    """What somebody holds: a privilege, or (`option`) the right to give it on."""

    grantee: str
    privilege: str
    column: str
    option: bool

    @property
    def whole(self) -> Bit:
        """The same on the whole object."""
        return self._replace(column="")

    def __str__(self) -> str:
        column = f" ({quoted(self.column)})" if self.column else ""
        what = "the right to give on " if self.option else ""
        return f"{what}{self.privilege}{column} of {quoted(self.grantee)}"


@dataclass(frozen=True, slots=True)
class _Entry:
    grantee: str
    privilege: str
    column: str
    grantable: bool
    by_owner: bool
    grantor: str

    @property
    def bits(self) -> list[Bit]:
        own = (self.grantee, self.privilege, self.column)
        return [Bit(*own, option=False), *([Bit(*own, option=True)] if self.grantable else [])]


@dataclass(frozen=True, slots=True)
class _Ownership:
    owner: str
    owns: bool


@dataclass(frozen=True, slots=True)
class Privileges(Change, abc.ABC):
    """A GRANT or a REVOKE on one object.

    `word` and `what` say what the object is called and is, `every` the privileges that ALL means there; `made` is
    whether the migration makes it (taken for granted where only the ledger speaks: what is done alone may well be
    undone together). `after` are the later ones on the same object.
    """

    word: str = ""
    what: str = ""
    schema: str = ""
    name: str = ""
    types: tuple[str, ...] | None = None
    rights: tuple[Right, ...] = ()
    grantees: tuple[str, ...] = ()
    option: bool = False
    every: tuple[str, ...] = ()
    made: bool = True
    after: tuple[Privileges, ...] = field(default=(), repr=False, compare=False)

    is_grant: ClassVar[bool]

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> Self | None:
        node: Any = statement.node
        if statement.node_kind != "grant_stmt" or node.is_grant != cls.is_grant or node.objtype not in _WORDS:
            return None
        simple = node.targtype == _PB.ACL_TARGET_OBJECT and node.behavior == _PB.DROP_RESTRICT
        if not simple or node.HasField("grantor") or len(node.objects) != 1:
            return None
        word, what = _WORDS[node.objtype]
        named = _named(node.objects[0], what)
        if named is None:
            return None
        return cls(
            statement,
            word=word,
            what=what,
            schema=named.schema,
            name=named.name,
            types=named.types,
            rights=tuple(_rights(node.privileges)),
            grantees=tuple(dict.fromkeys(_grantee(g.role_spec) for g in node.grantees)),
            option=node.grant_option,
        )

    @property
    def if_different(self) -> str:
        return "let the one who granted it revoke it first, for the owner can't"

    @property
    def signature(self) -> Signature:
        return Signature(self.schema, self.name, self.types)

    @property
    def object(self) -> str:
        return str(self.signature)

    @property
    def subject(self) -> str:
        return self.resolved_sql()

    @property
    def relation(self) -> str:
        return self.object if self.what == "relation" else ""

    @property
    def idents(self) -> tuple[str, ...]:
        columns = dict.fromkeys(r.column for r in self.rights if r.column)
        return (f"{self.what} {self.object}", *(f"column {quoted(self.schema, self.name, c)}" for c in columns))

    @property
    def together(self) -> str:
        # on what is there before, nothing is gained: a column may be made between two grants on its table
        return f"{self.what} {self.object}" if self.made else ""

    def resolve(self, names: Names) -> Self:
        me = str(names.db.value("select current_user"))
        grantees = tuple(dict.fromkeys(g or me for g in self.grantees))
        self._require_roles(names, grantees)
        kind = {"function": "f", "schema": "n", "type": "T"}.get(self.what, "r")
        known, of_table = self, False
        if self.what == "relation":
            table = names.relation(self.schema, self.name, self.written, _RELATIONS)
            known = replace(self, schema=table.schema)
            kind = "s" if table.kind == "S" else "r"
            of_table = table.kind in "rp"  # a new one is empty, and may be given a column between two grants
        elif self.what == "function":
            function = _functions.resolved(names, self.signature, self.written)
            known = replace(self, schema=function.schema, types=function.types)
        elif self.what == "type":
            named = type_named(names, self.signature, self.written)
            known = replace(self, schema=named.schema, name=named.name)
        every = names.db.rows(  # an owner has them all
            'select privilege_type from pg_catalog.aclexplode(pg_catalog.acldefault($1::"char", 10))'
            " where grantee = 10 order by privilege_type",
            [kind],
        )
        made = self.what in ("relation", "function") and not of_table and names.makes(known.object)
        return replace(known, grantees=grantees, every=tuple(p for (p,) in every), made=made)

    def _require_roles(self, names: Names, grantees: Sequence[str]) -> None:
        missing = sorted(g for g in grantees if g != PUBLIC and not names.has_role(g))
        if missing:
            named = ", ".join(map(quoted, missing))
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql names {named}, which is no role on {names.db.target.name}",
                remedy=f"create role {named}, which belongs to the server and not to this database",
            )

    def resolved_sql(self) -> str:
        return self._sql(self.is_grant, self.grantees, self.rights, option=self.option)

    def followed_by(self, later: Sequence[Change]) -> Self:
        same = [(n, c) for n, c in enumerate(later) if isinstance(c, Privileges) and self._same_object(c)]
        taker = next((c for c in later if c.takes_away(self)), None)
        changed = replace(self, after=tuple(c for _, c in same), later=taker)
        for n, c in same:
            raw = any(isinstance(between, RawSql) for between in later[:n])
            if self.is_grant and not c.is_grant and raw and any(c.takes(bit) for bit in self.bits):
                raise errors.PreflightFailed(
                    f"line {self.written.line} of migrate.sql grants what line {c.written.line} revokes, with a "
                    "statement of no known kind between them: whether it is done can't be seen in the catalog",
                    remedy="leave both out and let the role that runs the migration hold what it needs",
                )
        return changed

    def _same_object(self, other: Privileges) -> bool:
        return (self.what, self.object) == (other.what, other.object)

    # -- bits ---------------------------------------------------------------------------------------------

    @property
    def bits(self) -> frozenset[Bit]:
        """All that the statement names."""
        options = (
            (False, *([True] if self.option else [])) if self.is_grant else (*([] if self.option else [False]), True)
        )
        return frozenset(
            Bit(grantee, privilege, right.column, option)
            for grantee in self.grantees
            for right in self.rights
            for privilege in self._privileges(right)
            for option in options
        )

    def _privileges(self, right: Right) -> Sequence[str]:
        if right.privilege:
            return (right.privilege,)
        return _ON_COLUMNS if right.column else self.every

    def takes(self, bit: Bit) -> bool:
        """Whether the statement decides of a bit; a REVOKE on a table takes the privilege on its columns too."""
        return bit in self.bits or (not self.is_grant and bit.whole in self.bits)

    def owns(self, bit: Bit) -> bool:
        """Whether it decides of a bit, and no later statement does."""
        return self.takes(bit) and not any(c.takes(bit) for c in self.after)

    @property
    def own_bits(self) -> frozenset[Bit]:
        return frozenset(b for b in self.bits if self.owns(b))

    @property
    def overridden(self) -> list[Privileges]:
        """The later statements that take up some of its bits."""
        return [c for c in self.after if any(c.takes(b) and self.takes(b) for b in self.bits | c.bits)]

    @abc.abstractmethod
    def outcome(self, now: frozenset[Bit]) -> frozenset[Bit]:
        """What is held once the statement is done, of what is held now."""

    # -- the catalog --------------------------------------------------------------------------------------

    def _oid(self, db: Database) -> int | None:
        if self.what == "function":
            return _functions.oid_of(db, self.signature)
        cast = {"relation": "to_regclass", "schema": "to_regnamespace", "type": "to_regtype"}[self.what]
        found = db.value(f"select pg_catalog.{cast}($1)::oid::int8", [self.object])
        return None if found is None else int(found)

    def entries(self, db: Database) -> list[_Entry] | None:
        """The acl of the object, None where it is not there."""
        oid = self._oid(db)
        return None if oid is None else db.fetch("acl", _Entry, catalog=_CATALOGS[self.what], oid=oid)

    def capture(self, db: Database) -> dict[str, Any]:
        oid = self._oid(db)
        if oid is None:
            return {"before": None}
        owner = db.exactly("may_grant", _Ownership, catalog=_CATALOGS[self.what], oid=oid)
        if not owner.owns and not self.relation:  # of relations preflight asks
            raise errors.BadTarget(
                f"role {db.user} does not own {self.word} {self.object} on {db.target.name}",
                remedy=f"grant {quoted(owner.owner)} to {quoted(db.user)}; or run as the owner",
            )
        now = self._touched(self.entries(db) or [], {(b.grantee, b.privilege) for b in self.bits})
        # they are undone before this one, or together with it
        later = sorted({bit for c in self.after for bit in c.bits})
        return {"before": sorted(now), "after": sorted(self.outcome(now)), "later": later}

    @staticmethod
    def _touched(entries: Iterable[_Entry], keys: set[tuple[str, str]]) -> frozenset[Bit]:
        """What is held through the owner, the only one in whose name anything is given or taken here."""
        return frozenset(b for e in entries if e.by_owner and (e.grantee, e.privilege) in keys for b in e.bits)

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        entries = self.entries(db)
        if entries is None:
            return Observation(State.ABSENT, "its object is not there any more")
        if captured.get("before") is None:
            return Observation(State.PRESENT, "goes with its object")
        before, after = _bits(captured["before"]), _bits(captured["after"])
        now = self._touched(entries, {(b.grantee, b.privilege) for b in before | after})
        changed = before ^ after
        if now & changed == before & changed:
            return Observation(State.ABSENT, "is as it was before")
        # what the undo revokes takes along what others gave since: options, and the same on columns
        revoked = {(b.grantee, b.privilege) for b in after - before}
        unexpected = (now ^ before) - changed - _bits(captured.get("later", []))
        others = sorted(b for b in unexpected if (b.grantee, b.privilege) in revoked)
        if others:
            return Observation(State.DIFFERENT, f"changed by another: {listed(others)}")
        return Observation(State.PRESENT)

    # -- statements ---------------------------------------------------------------------------------------

    def apply(self, seen: Observation) -> list[Phase]:
        if not self.overridden:
            return one_transaction(self._statement(self.resolved_sql()))
        if seen.found:
            now = _bits(json.loads(seen.found[0]))
            return self._move(now, self.outcome(now))
        return self._transaction(self._spelled(self.own_bits, grants=self.is_grant))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        if captured.get("before") is None:  # goes with its object
            return []
        return self._move(_bits(captured["after"]), _bits(captured["before"]))

    def lint(self) -> list[str]:
        return [
            f"line {c.written.line} takes up {'a part' if self.own_bits else 'all'} of it again, and that is left out "
            "here: no moment lies between the two"
            for c in self.overridden
        ]

    def _move(self, now: frozenset[Bit], then: frozenset[Bit]) -> list[Phase]:
        """From one set of bits to another, the rest untouched."""
        lost = now - then
        # a REVOKE on the table takes along what is held on its columns
        swept = {b for b in then & now if b.column and {b.whole, b.whole._replace(option=False)} & lost}
        return self._transaction(
            [*self._spelled(lost, grants=False), *self._spelled((then - now) | swept, grants=True)]
        )

    def _spelled(self, bits: Iterable[Bit], *, grants: bool) -> list[str]:
        """Statements that give or take bits: one for each grantee, with and without the grant option."""
        given = set(bits)
        several: dict[tuple[str, bool], list[Right]] = {}
        for bit in sorted({b._replace(option=False) for b in given}):
            # GRANT … WITH GRANT OPTION gives both, REVOKE takes both
            option = bit._replace(option=True) in given if grants else bit not in given
            several.setdefault((bit.grantee, option), []).append(Right(bit.privilege, bit.column))
        return [self._sql(grants, [g], rights, option=option) for (g, option), rights in several.items()]

    def _sql(self, grants: bool, grantees: Sequence[str], rights: Sequence[Right], *, option: bool) -> str:
        to = ", ".join("current_user" if not g else g if g == PUBLIC else quoted(g) for g in grantees)
        what = f"{_spelled_rights(rights)} on {self.word} {self.object}"
        if grants:
            return f"grant {what} to {to}{' with grant option' if option else ''}"
        return f"revoke {'grant option for ' if option else ''}{what} from {to}"

    def _statement(self, sql: str) -> Statement:
        # since 18; older servers lock nothing
        return Statement(sql, LockMode.ACCESS_SHARE if self.relation else LockMode.NONE, self.relation)

    def _transaction(self, sql: Sequence[str]) -> list[Phase]:
        return one_transaction(*map(self._statement, sql)) if sql else []


def _named(node: Any, what: str) -> Signature | None:
    if what == "function":
        return _functions.signature_of(node.object_with_args)
    if what == "schema":
        return Signature("", node.string.sval, None)
    if what == "relation":
        return Signature(node.range_var.schemaname, node.range_var.relname, None)
    names = [item.string.sval for item in node.list.items]
    return Signature(names[0] if len(names) == 2 else "", names[-1], None) if len(names) < 3 else None


def _rights(privileges: Iterable[Any]) -> list[Right]:
    given = [p.access_priv for p in privileges]
    if not given:
        return [Right("", "")]
    return [Right(p.priv_name.upper(), column) for p in given for column in ([c.string.sval for c in p.cols] or [""])]


def _grantee(node: Any) -> str:
    """A role's name, PUBLIC, or empty for the role that runs the statement."""
    if node.roletype == _PB.ROLESPEC_PUBLIC:
        return PUBLIC
    return "" if node.roletype in _ME else str(node.rolename)


def _spelled_rights(rights: Iterable[Right]) -> str:
    columns: dict[tuple[str, bool], list[str]] = {}
    for right in rights:
        columns.setdefault((right.privilege, bool(right.column)), []).append(right.column)
    return ", ".join(
        (privilege.lower() or "all") + (f" ({', '.join(map(quoted, names))})" if on_columns else "")
        for (privilege, on_columns), names in columns.items()
    )


def _bits(rows: Iterable[Sequence[Any]]) -> frozenset[Bit]:
    return frozenset(Bit(*row) for row in rows)


def listed(bits: Iterable[Bit]) -> str:
    """Bits for a reader."""
    return ", ".join(map(str, sorted(bits)))
