"""Which rows somebody can see, insert, update and delete: tried as that role with its claims, never read off policies.

Each command is tried in a transaction of its own that is rolled back, under both timeouts. A set of rows is its size
and an order-free hash of its keys, computed in the server in constant memory: hashes add up, so that what a DELETE took
is what there was less what is left. That finds also rows which a command reaches and the actor can't read.

The declared set is computed by our own role in the same snapshot, with row_security off: a role that can't see every
row gets an error then, and the set is told as not measurable instead of too small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pgrunbook import errors, sqlfile
from pgrunbook.db import Database
from pgrunbook.description import COMMANDS, Actor, Command, Expectation, VisibleTable
from pgrunbook.measure import asking
from pgrunbook.sqlfile import quoted

Phase = Literal["before", "after"]
ISOLATED = {"default_transaction_isolation": "repeatable read"}
MOVE = "move"
_LOCK_TIMEOUT = "3s"
_EXAMPLES = 3
_REFUSED = "42501"
_QUOTES_NOTHING = ("23", "40", "42", "55", "57")  # classes of SQLSTATE whose messages name objects, not values
_NOT_RUN = "it writes (and rolls back); on a real system it runs with production = true"


@dataclass(frozen=True, slots=True)
class Person:
    """An actor as the baseline sampled it. Claims and tenants are personal: they stay in the run's private folder."""

    id: str
    claims: str = field(default="", repr=False)
    tenants: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Person:
        return cls(row["id"], row["claims"], tuple(row["tenants"]))


@dataclass(frozen=True, slots=True)
class Rows:
    """A set of rows: how many, an order-free hash of their keys, and how many are another tenant's."""

    count: int = 0
    digest: str = "0"
    foreign: int = 0

    def __sub__(self, other: Rows) -> Rows:
        digest = int(self.digest) - int(other.digest)
        return Rows(self.count - other.count, str(digest), self.foreign - other.foreign)

    def same(self, other: Rows) -> bool:
        return (self.count, self.digest) == (other.count, other.digest)


@dataclass(frozen=True, slots=True)
class Access:
    """What one actor could do with one table by one command.

    `rows` is None where that could not be found out, `detail` says why; `refused` are the words of the privileges
    that refused the command as a whole, so that the set is empty. `declared` is the set of the runbook's condition,
    None where nothing is declared. For an insert the "rows" are the tenants, own and foreign, that it was tried for.
    `examples` are keys of rows that the actor reached against what is declared, or of another tenant.
    """

    actor: str
    table: str
    command: str
    rows: Rows | None
    refused: str = ""
    detail: str = ""
    declared: Rows | None = None
    examples: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The set as a person reads it."""
        if self.rows is None:
            return "not run" if self.detail == _NOT_RUN else "not measurable"
        if self.command == "insert":
            return " and ".join(_tenants(self.rows)) or "none"
        return f"{self.rows.count:,}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Access:
        given = row | {k: Rows(**row[k]) if row[k] else None for k in ("rows", "declared")}
        return cls(**given | {"examples": tuple(row["examples"])})


def _tenants(rows: Rows) -> list[str]:
    """For which tenants an insert was taken."""
    return ["own"] * (rows.count > rows.foreign) + ["foreign"] * bool(rows.foreign)


def sample(db: Database, actor: Actor, timeout_s: float) -> Person:
    """The claims and tenants of one person of an actor's kind. Raises `CheckFailed` where there is none."""
    asking.require_role(db, actor.role, f"runbook.toml: visibility.actors {actor.id}")
    if not actor.sampled:
        return Person(actor.id)
    query = sqlfile.split(actor.sampled)[0].sql
    with db.transaction(read_only=True, statement_timeout=f"{int(timeout_s * 1000)}ms"):
        rows = db.rows(f"select claims::text, tenants::text[] from ({query}) sampled limit 1")  # noqa: S608
    if not rows:
        raise errors.CheckFailed(
            f"runbook.toml: visibility.actors {actor.id}: its query found nobody in this database",
            remedy="load data in which there is one, or mend `sampled`",
        )
    claims, tenants = rows[0]
    return Person(actor.id, claims or "", tuple(t for t in tenants or () if t is not None))


@dataclass(frozen=True, slots=True)
class _Key:
    schema: str
    name: str
    key: list[str]
    has_tenant: bool


class Probe:
    """One actor and one table. `db` is a session with `ISOLATED`, whose own role owns the table or sees all of it."""

    def __init__(
        self,
        db: Database,
        actor: Actor,
        person: Person,
        table: VisibleTable,
        *,
        setting: str,
        timeout_s: float,
        may_write: bool,
        show_rows: bool,
    ) -> None:
        self._db = db
        self._actor = actor
        self._tenants = list(person.tenants)
        self._table = table
        self._settings = {setting: person.claims} if setting else {}
        self._timeout = f"{int(timeout_s * 1000)}ms"
        self._may_write = may_write
        self._show_rows = show_rows
        found = db.one("primary_key", _Key, name=table.table, tenant=table.tenant)
        where = f"runbook.toml: visibility.tables {table.table}"
        if found is None:
            raise errors.WrongUsage(f"{where}: there is no such table", remedy="mend its name, or search_path")
        if not found.key or not found.has_tenant:
            lacks = f"column {table.tenant}" if found.key else "primary key"
            raise errors.WrongUsage(f"{where}: it has no {lacks}", remedy="name a table that has, and its column")
        # conditions name the table as an author would, so it keeps its name and has no alias
        self._name, self._short = quoted(found.schema, found.name), quoted(found.name)
        self._column = quoted(table.tenant)
        self._tenant = f"{self._short}.{self._column}"
        self._keys = [f"{self._short}.{quoted(c)}" for c in found.key]

    def commands(self, expectations: Mapping[Command, Expectation | None], phase: Phase) -> Iterator[Access]:
        """What the actor can do now, a command at a time."""
        for command in COMMANDS:
            expected = expectations.get(command)
            condition = expected.condition(phase) if expected else ""
            if command != "select" and not self._may_write:
                yield self._unknown(command, _NOT_RUN)
            elif command == "insert":
                yield self._insert(condition)
            else:
                yield self._try(command, condition)

    def move(self) -> Access:
        """How many rows change hands: its own given to another tenant, any given, others' taken over.

        The statements without WHERE read no column, so that no policy for SELECT stands in their way.
        """
        if not self._may_write:
            return self._unknown(MOVE, _NOT_RUN)
        foreign, own = self._foreign_tenant(), next(iter(self._tenants), None)
        tries: list[tuple[str | None, Sequence[str | None], str, list[Any]]] = [
            (foreign, [foreign], f"where {self._column}::text = any($2)", [self._tenants]),
            (foreign, [foreign], "", []),
            (own, self._tenants, "", []),
        ]
        moved, failures = 0, list[str]()
        for tenant, home, where, bound in tries:
            if tenant is None:
                continue
            try:
                with self._transaction():
                    before = self._away_from(home)
                    with self._db.transaction():
                        self._ask()
                        self._db.rows(f"update {self._name} set {self._column} = $1 {where}", [tenant, *bound])  # noqa: S608
                    self._look()
                    moved = max(moved, before - self._away_from(home))
            except errors.StatementFailed as e:
                failures += [] if e.sqlstate == _REFUSED else [self._words(e)]
        if failures and not moved:
            return self._unknown(MOVE, "; ".join(dict.fromkeys(failures)))
        return self._access(MOVE, rows=Rows(moved, foreign=moved))

    def _try(self, command: Command, condition: str) -> Access:
        """One command over all rows, as the actor."""
        declared, refused, examples, doing = None, "", tuple[str, ...](), "the declared rows: "
        try:
            with self._transaction(read_only=command == "select"):
                if condition:
                    declared = self._set(f"from {self._name} where {_bound(condition)}")
                doing = ""
                before = self._all() if command == "delete" else Rows()
                try:
                    with self._db.transaction():
                        self._ask()
                        rows = self._reach(command)
                        examples = self._examples(rows, condition) if command == "select" else ()
                except errors.StatementFailed as e:
                    if not _is_refusal(e, command):
                        raise
                    rows, refused = Rows(), e.message
                if command == "delete" and not refused:
                    self._look()
                    rows = before - self._all()
        except errors.StatementFailed as e:
            return self._unknown(command, doing + self._words(e))
        return self._access(command, rows=rows, refused=refused, declared=declared, examples=examples)

    def _reach(self, command: Command) -> Rows:
        """The rows that the actor reaches; those that a DELETE took are told apart afterwards."""
        if command == "select":
            return self._all()
        if command == "delete":
            self._db.execute(f"delete from {self._name}")  # noqa: S608  quoted
            return Rows()
        returned = ", ".join(dict.fromkeys([*self._keys, self._tenant]))
        column = self._updatable()
        update = f"update {self._name} set {column} = {self._short}.{column} returning {returned}"  # noqa: S608  quoted
        return self._set(f"from touched as {self._short}", f"with touched as ({update})")

    def _updatable(self) -> str:
        """The tenant's column, or another one where the actor may update that alone."""
        found = self._db.value(
            "select attname::text from pg_catalog.pg_attribute"
            " where attrelid = $1::pg_catalog.regclass and attnum > 0 and not attisdropped and attgenerated = ''"
            " and attidentity <> 'a' and pg_catalog.has_column_privilege(attrelid, attnum, 'select')"
            " and pg_catalog.has_column_privilege(attrelid, attnum, 'update')"
            " order by attname <> $2, attnum limit 1",
            [self._name, self._table.tenant],
        )
        return quoted(found) if found else self._column

    def _insert(self, condition: str) -> Access:
        """The runbook's own INSERT, once for a tenant of the actor's and once for another one."""
        if not self._table.insert:
            return self._unknown("insert", "runbook.toml has no statement that makes a row")
        taken, declared, refusals, failures = list[int](), list[int](), list[str](), list[str]()
        for is_foreign, tenant in enumerate((next(iter(self._tenants), None), self._foreign_tenant())):
            if tenant is None:
                continue
            try:
                with self._transaction():
                    if condition and self._holds_for(condition, tenant):
                        declared.append(is_foreign)
                    self._ask()
                    self._db.rows(sqlfile.split(self._table.insert, variables=True)[0].sql, [tenant])
                taken.append(is_foreign)
            except errors.StatementFailed as e:
                if e.sqlstate == _REFUSED:
                    refusals.append(e.message)
                else:
                    failures.append(f"for {'another' if is_foreign else 'an own'} tenant: {self._words(e)}")
        if failures:
            return self._unknown("insert", "; ".join(failures))
        return self._access(
            "insert",
            rows=_of_insert(taken),
            refused="; ".join(dict.fromkeys(refusals)),
            declared=_of_insert(declared) if condition else None,
        )

    def _holds_for(self, condition: str, tenant: str) -> bool:
        given = "(select $2::text as tenant where $1::text[] is not null) given"
        query = f"select coalesce({_bound(condition)}, false) from {given}"  # noqa: S608  the runbook's own
        return bool(self._db.value(query, [self._tenants, tenant]))

    def _foreign_tenant(self) -> str | None:
        """A tenant of the table's that is not the actor's; None where there is no other."""
        query = f"""
            select min({self._tenant}::text) from {self._name} where {self._tenant}::text <> all($1::text[])
        """  # noqa: S608  quoted
        try:
            with self._transaction(read_only=True):
                found = self._db.value(query, [self._tenants])
        except errors.StatementFailed:
            return None  # the commands themselves say why
        return None if found is None else str(found)

    def _examples(self, rows: Rows, condition: str) -> tuple[str, ...]:
        """Keys of rows that the actor sees and should not; on the sandbox only, where they are nobody's."""
        if not self._show_rows or not rows.count or (self._actor.bypasses and not condition):
            return ()
        wrong = [] if self._actor.bypasses else [f"{self._tenant}::text <> all($1::text[])"]
        wrong += [f"{_bound(condition)} is not true"] if condition else []
        query = f"""
            select pg_catalog.concat_ws(', ', {", ".join(self._keys)}) from {self._name}
            where ({" or ".join(wrong)}) and $1::text[] is not null order by 1 limit {_EXAMPLES}
        """  # noqa: S608  quoted
        try:
            with self._db.transaction():
                return tuple(str(row[0]) for row in self._db.rows(query, [self._tenants]))
        except errors.StatementFailed:
            return ()  # the condition may read what the actor can't

    def _all(self) -> Rows:
        return self._set(f"from {self._name}")

    def _set(self, body: str, head: str = "") -> Rows:
        """Size and hash of the rows of a FROM clause, in which `$1` are the actor's tenants."""
        count, digest, foreign = self._db.rows(
            f"{head} select count(*),"
            f" coalesce(sum(pg_catalog.hashtextextended(row({', '.join(self._keys)})::text, 0)::numeric), 0)::text,"
            f" count(*) filter (where {self._tenant}::text <> all($1::text[])) {body}",
            [self._tenants],
        )[0]
        return Rows(count, digest, foreign)

    def _away_from(self, home: Sequence[str | None]) -> int:
        """How many rows are none of these tenants'; those of nobody do not count."""
        query = f"select count(*) from {self._name} where {self._column}::text <> all($1::text[])"  # noqa: S608  quoted
        return int(self._db.value(query, [list(home)]))

    def _transaction(self, *, read_only: bool = False) -> contextlib.AbstractContextManager[None]:
        return self._db.transaction(
            rollback=True, read_only=read_only, lock_timeout=_LOCK_TIMEOUT, statement_timeout=self._timeout
        )

    def _ask(self) -> None:
        """From here on the actor asks, up to the end of the transaction or savepoint."""
        self._configure(asking.local_settings(self._actor.role, self._settings))

    def _look(self) -> None:
        """From here on our own role looks at what was done, with every row before it."""
        self._configure({"role": "none", "row_security": "off"})

    def _configure(self, settings: Mapping[str, str]) -> None:
        for name, value in settings.items():
            self._db.rows("select pg_catalog.set_config($1, $2, true)", [name, value])

    def _words(self, error: errors.StatementFailed) -> str:
        """The server's words; off the sandbox without those that may quote a claim or a row."""
        if self._show_rows or error.sqlstate.startswith(_QUOTES_NOTHING):
            return error.message
        return f"an error {error.sqlstate}, whose text may quote a row"

    def _unknown(self, command: str, why: str) -> Access:
        return self._access(command, rows=None, detail=why)

    def _access(self, command: str, **rest: Any) -> Access:
        return Access(self._actor.id, self._table.table, command, **rest)


def _bound(condition: str) -> str:
    """A condition with `$1` for `:tenants`.

    >>> _bound("org = any(:tenants)  -- theirs")
    '(org = any($1)  -- theirs\\n)'
    """
    return sqlfile.split(f"select ({condition}\n)", variables=True)[0].sql.removeprefix("select ")


def _of_insert(tenants: Sequence[int]) -> Rows:
    """For which tenants it went, 0 for an own one and 1 for a foreign one; the hash tells the two apart."""
    return Rows(len(tenants), str(sum(1 + t for t in tenants)), sum(tenants))


def _is_refusal(error: errors.StatementFailed, command: Command) -> bool:
    """Whether the command as a whole is not allowed.

    An UPDATE of some rows has the same SQLSTATE where a row fails a policy's WITH CHECK: others may pass then.
    """
    return error.sqlstate == _REFUSED and (command != "update" or "permission denied" in error.message)
