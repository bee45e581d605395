"""ALTER … OWNER TO: the undo gives the object back to its old owner, and the new one the privileges it had before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors
from pgrunbook.changes._base import Change, Defined, LockMode, Names, Phase, Statement, one_transaction
from pgrunbook.changes._places import NOWHERE, Place, qualified
from pgrunbook.changes._policy import SESSION_ROLES
from pgrunbook.changes.rename import RELATIONS, SCHEMA, named
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_CATALOGS = {"relation": "pg_class", "function": "pg_proc", "schema": "pg_namespace", "type": "pg_type"}
_ROLE = _PB.ROLESPEC_CSTRING
_MAY = (
    "select pg_catalog.pg_has_role(current_user, r.oid, 'member'), $2 = '' or exists (select from"
    " pg_catalog.pg_namespace n where n.nspname = $2 and pg_catalog.has_schema_privilege(r.oid, n.oid, 'create'))"
    " or (select rolsuper from pg_catalog.pg_roles where rolname = current_user)"
    " from pg_catalog.pg_roles r where r.rolname = $1"
)


@dataclass(frozen=True, slots=True)
class _Owner:
    owner: str


@dataclass(frozen=True, slots=True)
class _Entry:
    grantee: str
    privilege: str
    column: str
    grantable: bool
    by_owner: bool
    grantor: str


@dataclass(frozen=True, slots=True)
class ChangeOwner(Defined):
    """One OWNER TO; `owner` is the new one, `before` the old."""

    kind: ClassVar[str] = "change_owner"

    place: Place = NOWHERE
    owner: str = ""
    before: str = field(default="", compare=False)

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> ChangeOwner | None:
        node: Any = statement.node
        place, role = None, None
        if statement.node_kind == "alter_table_stmt" and len(node.cmds) == 1 and node.objtype in RELATIONS:
            command = node.cmds[0].alter_table_cmd
            if command.subtype == _PB.AT_ChangeOwner and node.objtype != _PB.OBJECT_INDEX:
                relation, role = node.relation, command.newowner
                place = Place(RELATIONS[node.objtype], relation.schemaname, "", relation.relname)
        elif statement.node_kind == "alter_owner_stmt":
            role = node.newowner
            is_schema = node.object_type == _PB.OBJECT_SCHEMA
            place = (
                Place(SCHEMA, "", "", node.object.string.sval) if is_schema else named(node.object_type, node.object)
            )
        if place is None or role is None or (role.roletype != _ROLE and role.roletype not in SESSION_ROLES):
            return None
        return cls(statement, place=place, owner=role.rolename if role.roletype == _ROLE else "")

    @property
    def object(self) -> str:
        return str(self.place)

    @property
    def subject(self) -> str:
        return f"owner of {self.place.subject}"

    @property
    def relation(self) -> str:
        return str(self.place) if self.place.sort.what == "relation" else ""

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"{self.place.sort.what} {self.place}",)

    @property
    def replaces(self) -> bool:
        return True

    def resolve(self, names: Names) -> ChangeOwner:
        place, _ = qualified(names, self.place, self.written)
        owner = self.owner or str(names.db.value(SESSION_ROLES[self._role.roletype]))
        known = replace(self, place=place, owner=owner)
        before, entries = known._owner(names.db, place), known._entries(names.db, place)
        known = replace(known, before=before)
        where = f"line {self.written.line} of migrate.sql"
        rights = names.db.rows(_MAY, [owner, place.schema])
        if not rights and names.has_role(owner):  # what it may do is for the server to say once it is made
            return known
        if not rights:
            raise errors.PreflightFailed(
                f"{where} names {quoted(owner)}, which is no role on {names.db.target.name}",
                remedy=f"create role {quoted(owner)}, which belongs to the server and not to this database",
            )
        ((is_member, may_create),) = rights
        if before == owner:
            return known
        if not is_member:
            raise errors.PreflightFailed(
                f"{where} gives {known.object} to {quoted(owner)}, of which {quoted(names.db.user)} is no member",
                remedy=f"grant {quoted(owner)} to {quoted(names.db.user)}",
            )
        if not may_create and place.schema and not names.blind and not _granted(names, place.schema):
            raise errors.PreflightFailed(
                f"{where} gives {known.object} to {quoted(owner)}, who may not create in schema {quoted(place.schema)}",
                remedy=f"grant create on schema {quoted(place.schema)} to {quoted(owner)}",
            )
        if any(e.grantor == owner for e in entries):
            raise errors.PreflightFailed(
                f"{where} gives {known.object} to {quoted(owner)}, who has granted privileges on it: afterwards nobody "
                "could tell them from the owner's, so there would be no way back",
                remedy="revoke them, and let the owner grant them",
            )
        return known

    @property
    def _role(self) -> Any:
        node: Any = self.written.node
        return node.newowner if self.written.node_kind == "alter_owner_stmt" else node.cmds[0].alter_table_cmd.newowner

    def resolved_sql(self) -> str:
        return self._to(self.owner)

    def _to(self, owner: str) -> str:
        return f"alter {self.place.sort.word} {self.place} owner to {quoted(owner)}"

    def now(self, db: Database) -> str | None:
        return self._owner(db, self.place) or None

    def planned(self, db: Database) -> str | None:  # noqa: ARG002
        return self.owner

    def capture(self, db: Database) -> dict[str, Any]:
        entries, before = self._entries(db, self.place), self.now(db)
        held = [e for e in entries if e.grantee == self.owner and before != self.owner]
        own = {(e.privilege, e.column): e.grantable for e in entries if e.grantee == before}
        more = [
            [e.privilege, e.column, "grant option for " if (e.privilege, e.column) in own else ""]
            for e in held
            if (e.privilege, e.column) not in own or (e.grantable and not own[e.privilege, e.column])
        ]
        return {"before": before, "held": [[e.privilege, e.column, e.grantable] for e in held], "more": more}

    def _owner(self, db: Database, place: Place) -> str:
        oid = place.look(db)
        found = db.one("owner", _Owner, catalog=_CATALOGS[place.sort.what], oid=int(oid)) if oid else None
        return found.owner if found else ""

    def _entries(self, db: Database, place: Place) -> list[_Entry]:
        oid = place.look(db)
        return db.fetch("acl", _Entry, catalog=_CATALOGS[place.sort.what], oid=int(oid)) if oid else []

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        return one_transaction(self._statement(self.resolved_sql()))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        before = captured.get("before")
        texts = [self._to(before)] if before else []
        kind = "table" if self.relation and self.place.sort.word != "sequence" else self.place.sort.word
        kind = "type" if kind == "domain" else kind
        for privilege, column, option in captured.get("more", ()):  # what the new one held has become the owner's
            what = f"{privilege} ({quoted(column)})" if column else privilege
            texts.append(f"revoke {option}{what} on {kind} {self.place} from {quoted(str(before))}")
        for privilege, column, grantable in captured.get("held", ()):
            what = f"{privilege} ({quoted(column)})" if column else privilege
            option = " with grant option" if grantable else ""
            texts.append(f"grant {what} on {kind} {self.place} to {quoted(self.owner)}{option}")
        return one_transaction(*map(self._statement, texts)) if texts else []

    def _statement(self, text: str) -> Statement:
        return Statement(text, LockMode.ACCESS_EXCLUSIVE if self.relation else LockMode.NONE, self.relation)

    def lint(self) -> list[str]:
        notes = [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly"] if self.relation else []
        old = quoted(self.before) if self.before else "the old owner"
        return [
            *notes,
            f"who runs the undo has to be a member of {quoted(self.owner)} and of {old} then, as now; row level "
            "security does not hold an owner, and what the old one may do by ownership alone is over",
        ]


def _granted(names: Names, schema: str) -> bool:
    """Whether an earlier line makes the schema, or grants on it."""
    earlier: list[Change] = names.earlier
    return any(c.object == quoted(schema) and c.kind in ("grant", "create_schema", "change_owner") for c in earlier)
