"""Roles that a proof needs and a server lacks: made for as long as a proof is at work, since they are cluster-wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.lock import lock_key, try_lock
from pgrunbook.sqlfile import quoted

_MARK = "stands in for a role of another server while pgrunbook prove is at work"
_MARKED = (
    "select rolname from pg_catalog.pg_roles r where pg_catalog.shobj_description(r.oid, 'pg_authid') = $1 order by 1"
)


@dataclass(slots=True)
class StandIns:
    """The roles of one proof. `own` are those that the migration makes itself, where they were not there before."""

    admin: Database
    own: tuple[str, ...]
    held: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Drop the roles that the migration made, before it is carried out anew."""
        for name in self.own:
            with suppress(errors.StatementFailed):
                self.admin.execute(f"drop role if exists {quoted(name)}")


@contextmanager
def roles(admin: Database, wanted: Sequence[str], own: Sequence[str]) -> Iterator[StandIns]:
    """Make the missing ones NOLOGIN; drop them in the end unless another proof needs them. Raises `BadTarget`.

    Every proof that needs one holds a shared lock on its name; who is alone with it drops it.
    """
    found = StandIns(admin, tuple(n for n in own if n not in _there(admin)))
    try:
        with _guarded(admin):
            _sweep(admin)
            _require(admin, wanted, found)
        yield found
    finally:
        found.clear()
        if found.held:
            with _guarded(admin):
                for name in found.held:
                    admin.value("select pg_catalog.pg_advisory_unlock_shared($1)", [lock_key(_lock(name))])
                    _drop_unused(admin, name)


def _require(admin: Database, wanted: Sequence[str], found: StandIns) -> None:
    there, marked = _there(admin), {str(n) for (n,) in admin.rows(_MARKED, [_MARK])}
    made = [n for n in wanted if n not in there]
    for name in made:
        try:
            admin.execute(f"create role {quoted(name)} nologin")
            admin.execute(f"comment on role {quoted(name)} is '{_MARK}'")
        except errors.StatementFailed as e:
            raise errors.BadTarget(
                f"role {quoted(name)} is missing on {admin.target.name}, and can't be made: {e.message}",
                remedy=f"an administrator runs: create role {quoted(name)} nologin",
            ) from None
    found.held = [n for n in wanted if n in made or n in marked]
    for name in found.held:
        admin.value("select pg_catalog.pg_advisory_lock_shared($1)", [lock_key(_lock(name))])
    if made:
        found.notes.append(f"what the roles may do that stood in as NOLOGIN: {', '.join(made)}")


def _there(admin: Database) -> set[str]:
    return {str(n) for (n,) in admin.rows("select rolname from pg_catalog.pg_roles order by 1")}


def _sweep(admin: Database) -> None:
    """Drop those of processes that were killed."""
    for (name,) in admin.rows(_MARKED, [_MARK]):
        _drop_unused(admin, str(name))


def _drop_unused(admin: Database, name: str) -> None:
    """Drop a stand-in that no proof holds. One on which somebody's objects depend by now stays until they are gone."""
    if try_lock(admin, _lock(name)):
        with suppress(errors.StatementFailed), admin.transaction():
            admin.execute(f"drop role if exists {quoted(name)}")
        admin.value("select pg_catalog.pg_advisory_unlock($1)", [lock_key(_lock(name))])


def _lock(name: str) -> str:
    return f"stand-in {name}"


@contextmanager
def _guarded(admin: Database) -> Iterator[None]:
    """One at a time: whoever looks for a role has to find it still there when its lock is taken."""
    with admin.transaction():
        admin.value("select pg_catalog.pg_advisory_xact_lock($1)", [lock_key("stand-ins")])
        yield
