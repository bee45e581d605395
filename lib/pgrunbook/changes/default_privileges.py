"""ALTER DEFAULT PRIVILEGES: what roles may do with objects that are made from then on; those that are there stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors
from pgrunbook.changes._base import Defined, LockMode, Names, Phase, Statement, one_transaction
from pgrunbook.changes._policy import SESSION_ROLES
from pgrunbook.changes._scratch import scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_ROLE = _PB.ROLESPEC_CSTRING
# the word of the statement, pg_default_acl.defaclobjtype, and the letter that acldefault takes
_OBJECTS = {
    _PB.OBJECT_TABLE: ("tables", "r", "r"), _PB.OBJECT_SEQUENCE: ("sequences", "S", "s"),
    _PB.OBJECT_FUNCTION: ("functions", "f", "f"), _PB.OBJECT_TYPE: ("types", "T", "T"),
    _PB.OBJECT_SCHEMA: ("schemas", "n", "n"),
}  # fmt: skip
_THERE = (
    "select exists (select from pg_catalog.pg_roles where rolname = $1)"
    " and ($2 = '' or pg_catalog.to_regnamespace($3) is not null)"
)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One privilege; `grantee` is empty for PUBLIC."""

    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True)
class DefaultPrivileges(Defined):
    """One ALTER DEFAULT PRIVILEGES, of one role in one schema, or in all (empty); `role` is empty until resolved."""

    kind: ClassVar[str] = "default_privileges"

    role: str = ""
    schema: str = ""

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DefaultPrivileges | None:
        node: Any = statement.node
        if statement.node_kind != "alter_default_privileges_stmt" or node.action.objtype not in _OBJECTS:
            return None
        given = {o.def_elem.defname: list(o.def_elem.arg.list.items) for o in node.options}
        roles = [r.role_spec for r in given.get("roles", [])]
        schemas = [s.string.sval for s in given.get("schemas", [])]
        named = all(r.roletype == _ROLE or r.roletype in SESSION_ROLES for r in roles)
        if len(roles) > 1 or len(schemas) > 1 or not named:
            return None
        role = roles[0].rolename if roles and roles[0].roletype == _ROLE else ""
        return cls(statement, role=str(role), schema=str(schemas[0]) if schemas else "")

    @property
    def _action(self) -> Any:
        node: Any = self.written.node
        return node.action

    @property
    def object(self) -> str:
        place = quoted(self.schema) if self.schema else "every schema"
        return f"{_OBJECTS[self._action.objtype][0]} of {quoted(self.role) if self.role else 'the session'} in {place}"

    @property
    def subject(self) -> str:
        # another privilege, or another grantee, is another matter: one that is given already says nothing of this one
        return f"default privileges {self._what} on {self.object} of {', '.join(sorted(self._grantees))}"

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"default privileges {self.object}",)

    @property
    def replaces(self) -> bool:
        return True

    def resolve(self, names: Names) -> DefaultPrivileges:
        known = replace(self, role=self.role or str(names.db.value("select current_user::text")))
        roles = [known.role, *(g.role_spec.rolename for g in self._action.grantees if g.role_spec.roletype == _ROLE)]
        if missing := [r for r in roles if not names.has_role(r)]:
            raise errors.PreflightFailed(
                f"role {quoted(missing[0])} does not exist on {names.db.target.name} (line {self.written.line} of "
                "migrate.sql)",
                remedy="create it first: a role belongs to the whole server, so it is no part of a migration",
            )
        return known

    def resolved_sql(self) -> str:
        action = self._action
        what, whom = self._what, ", ".join(self._grantees)
        if action.is_grant:
            return self._alter(f"grant {what} on {{}} to {whom}{' with grant option' if action.grant_option else ''}")
        option = "grant option for " if action.grant_option else ""
        return self._alter(f"revoke {option}{what} on {{}} from {whom}")

    @property
    def _what(self) -> str:
        return ", ".join(sorted(p.access_priv.priv_name for p in self._action.privileges)) or "all"

    @property
    def _grantees(self) -> list[str]:
        """Those that are named, in order, as SQL names them."""
        return list(dict.fromkeys(self._grantee(g.role_spec) for g in self._action.grantees))

    # -- state ---------------------------------------------------------------------------------------------

    def now(self, db: Database) -> str | None:
        if not db.value(_THERE, [self.role, self.schema, quoted(self.schema)]):
            return None
        return json.dumps([[e.grantee or "public", e.privilege, e.grantable] for e in self._entries(db)])

    def planned(self, db: Database) -> str | None:
        with scratch(db, self):
            db.execute(self.resolved_sql())
            return self.now(db)

    def _entries(self, db: Database) -> list[_Entry]:
        _, objects, standard = _OBJECTS[self._action.objtype]
        return db.fetch(
            "default_privileges", _Entry, role=self.role, schema=self.schema, objects=objects, standard=standard
        )

    def capture(self, db: Database) -> dict[str, Any]:
        before = self.now(db)
        return {"before": before, "entries": [] if before is None else json.loads(before)}

    # -- phases --------------------------------------------------------------------------------------------

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), LockMode.NONE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        texts = [self._alter(f"revoke all on {{}} from {g}") for g in self._grantees]
        for name, privilege, grantable in captured.get("entries", []):
            grantee = "public" if name == "public" else quoted(name)
            if grantee in self._grantees:
                option = " with grant option" if grantable else ""
                texts.append(self._alter(f"grant {privilege.lower()} on {{}} to {grantee}{option}"))
        return one_transaction(*(Statement(t, LockMode.NONE, "") for t in texts))

    def _grantee(self, role: Any) -> str:
        if role.roletype == _ROLE:
            return quoted(role.rolename)
        return "public" if role.roletype == _PB.ROLESPEC_PUBLIC else quoted(self.role)

    def _alter(self, action: str) -> str:
        place = f" in schema {quoted(self.schema)}" if self.schema else ""
        word = _OBJECTS[self._action.objtype][0]
        return f"alter default privileges for role {quoted(self.role)}{place} {action.format(word)}"

    def lint(self) -> list[str]:
        return ["concerns what is made from then on; what is there keeps its privileges"]
