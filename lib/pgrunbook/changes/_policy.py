"""What the kinds of change that take up a row security policy have in common: names, look-ups, a scratch copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import postgast
from psycopg import sql

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import Defined, LockMode, Names, Statement
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
SESSION_ROLES = {
    _PB.ROLESPEC_CURRENT_USER: "select current_user::text",
    _PB.ROLESPEC_CURRENT_ROLE: "select current_user::text",
    _PB.ROLESPEC_SESSION_USER: "select session_user::text",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy in the catalog: the statement that makes it, its parts (None where it has none), its comment."""

    definition: str
    roles: str
    qual: str | None
    with_check: str | None
    comment: str | None


def found(db: Database, relation: str, name: str, *, shown: str = "") -> Policy | None:
    """A table's policy, as a statement on `shown` (the table itself by default); None where there is none."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("policy", Policy, relation=relation, name=name, shown=shown or relation)


@dataclass(frozen=True, slots=True)
class PolicyChange(Defined):
    """One statement about one policy. `there_before` says whether an earlier change makes (or drops) that policy."""

    gathers_at_end: ClassVar[bool] = True

    there_before: bool | None = None

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _name(self) -> tuple[str, str, str]:
        """Schema (empty before it is resolved), table and policy."""
        node = self._node
        return str(node.table.schemaname), str(node.table.relname), str(node.policy_name)

    @property
    def label(self) -> str:
        return ".".join(self._name[1:])

    @property
    def object(self) -> str:
        return quoted(*self._name)

    @property
    def subject(self) -> str:
        return f"policy {self.object}"

    @property
    def relation(self) -> str:
        return quoted(*self._name[:2])

    @property
    def together(self) -> str:
        return "" if self.fresh else row_security_of(self.relation)  # a new table has no rows to guard

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"policy {self.object}",)

    def resolve(self, names: Names) -> Self:
        schema, table, _ = self._name
        relation = names.relation(schema, table, self.written, "rp")

        def qualify(node: Any) -> None:
            node.table.schemaname = relation.schema
            for item in node.roles:
                _name_role(item.role_spec, names, self.written)

        return self._resolved(names, part_of(self.written, qualify))

    def _resolved(self, names: Names, written: SqlStatement) -> Self:
        """The change with a statement of resolved names, knowing what earlier changes made of the policy."""
        named = type(self)(written, self.options)
        before = names.there.get(named.subject)
        names.there[named.subject] = not self.drops
        return type(self)(written, self.options, there_before=before)

    def resolved_sql(self) -> str:
        return self.written.sql

    def policy(self, db: Database) -> Policy | None:
        """The policy in the catalog."""
        return found(db, self.relation, self._name[2])

    def now(self, db: Database) -> str | None:
        policy = self.policy(db)
        return policy.definition if policy else None

    def capture(self, db: Database) -> dict[str, Any]:
        policy = self.policy(db)
        return {"before": policy.definition, "policy": asdict(policy)} if policy else {"before": None}

    def lint(self) -> list[str]:
        notes = [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly, under lock_timeout with retries"]
        for call in bare_calls(self._node):
            notes.append(f"calls {call} for every row; (select {call}) runs once per query")
        return notes

    def statement(self, text: str) -> Statement:
        return Statement(text, LockMode.ACCESS_EXCLUSIVE, self.relation)

    def dropped(self) -> Statement:
        """The statement that drops the policy."""
        return self.statement(f"drop policy {quoted(self._name[2])} on {self.relation}")

    def made_again(self, captured: Mapping[str, Any]) -> list[Statement]:
        """The statements that make the policy as it was captured; its comment is lost when it is dropped."""
        made = [self.statement(captured["before"])]
        if comment := captured["policy"]["comment"]:
            on = f"comment on policy {quoted(self._name[2])} on {self.relation}"
            made.append(self.statement(f"{on} is {sql.Literal(comment).as_string()}"))
        return made

    @contextmanager
    def copy(self, db: Database) -> Iterator[str]:
        """An empty copy of the table, for as long as the block lasts."""
        with scratch(db, self):
            copy = copy_table(db, self.relation, self._name[1])
            # an expression that names the table means the real one: without this pg_temp is searched first
            db.value("select pg_catalog.set_config('search_path', current_setting('search_path') || ', pg_temp', true)")
            yield copy

    def on_copy(self) -> str:
        """The statement on the copy: columns that are named with the table's schema are named without it."""
        schema, table, _ = self._name

        def edit(node: Any) -> None:
            node.table.schemaname = "pg_temp"
            for name, value in _nodes(node):
                if name == "column_ref" and [f.string.sval for f in value.fields[:2]] == [schema, table]:
                    del value.fields[0]

        return sqlfile.rewritten(self.written.sql, edit)

    def read_back(self, db: Database, copy: str) -> str | None:
        """The definition of the policy on the copy, as if it were on the table."""
        policy = found(db, copy, self._name[2], shown=self.relation)
        return policy.definition if policy else None


def row_security_of(relation: str) -> str:
    """The word by which all changes of a table's row security are committed together."""
    return f"row security of {relation}"


def takes_whole_rows(node: Any) -> bool:
    """Whether a policy's expression names its table's row as one value: that has the copy's type on a copy."""
    for name, value in _nodes(node):
        if name == "column_ref":
            fields = [f.string.sval for f in value.fields if f.WhichOneof("node") == "string"]
            if (
                fields
                and fields[-1] == node.table.relname
                and (len(value.fields) == 1 or len(fields) < len(value.fields))
            ):
                return True
    return False


def bare_calls(node: Any) -> list[str]:
    """The function calls of an expression that depend on no column, yet are made for every row."""
    calls = []
    for name, value in _nodes(node, leave_out="sub_link"):
        if name == "func_call" and not any(n in ("column_ref", "sub_link") for n, _ in _nodes(value)):
            query = postgast.parse("select null")
            query.stmts[0].stmt.select_stmt.target_list[0].res_target.val.func_call.CopyFrom(value)
            calls.append(sqlfile.deparsed(query).removeprefix("SELECT "))
    return list(dict.fromkeys(calls))


def _nodes(message: Any, leave_out: str = "") -> Iterator[tuple[str, Any]]:
    """All nodes below one with the names of their fields, but for what lies below `leave_out`."""
    for described, value in message.ListFields():
        if not described.message_type or described.name == leave_out:
            continue
        for child in value if described.is_repeated else [value]:
            yield described.name, child
            yield from _nodes(child, leave_out)


def _name_role(role: Any, names: Names, written: SqlStatement) -> None:
    """Write a role's name for `current_user`, which is another one to the next session. Raises `PreflightFailed`."""
    if query := SESSION_ROLES.get(role.roletype):
        role.rolename = names.db.value(query)
        role.roletype = _PB.ROLESPEC_CSTRING
    if role.roletype == _PB.ROLESPEC_CSTRING and not names.has_role(role.rolename):
        raise errors.PreflightFailed(
            f"role {quoted(role.rolename)} does not exist on {names.db.target.name} "
            f"(line {written.line} of migrate.sql)",
            remedy="create it first: a role belongs to the whole server, so it is no part of a migration",
        )
