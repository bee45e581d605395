"""The schema's fingerprint: proof that a rollback brought back what was there before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pgrunbook.db import Database


@dataclass(frozen=True, slots=True)
class Item:
    """The hash of one kind of object, or of one object."""

    kind: str
    ident: str
    objects: int
    hash: str


def take(db: Database, ledger_schema: str, excluded: Collection[str] = ()) -> dict[str, str]:
    """One hash per kind of object; `excluded` are objects left out, as "kind ident" ("column public.t.c")."""
    return {i.kind: i.hash for i in _items(db, ledger_schema, excluded, detail=False)}


def objects(db: Database, ledger_schema: str) -> dict[str, str]:
    """One hash per object, by "kind ident": to say which one differs."""
    return {f"{i.kind} {i.ident}": i.hash for i in _items(db, ledger_schema, (), detail=True)}


def looking(db: Database) -> None:
    """Make a session one that only takes fingerprints: it keeps their plan, which takes longer than they do."""
    for name, value in {"search_path": "pg_catalog", "jit": "off", "plan_cache_mode": "force_generic_plan"}.items():
        db.set(name, value)
    db.driver_connection.prepare_threshold = 0


def seen(looking: Database, ledger_schema: str) -> dict[str, str]:
    """As `objects`, by a session made for `looking`."""
    found = looking.fetch("fingerprint", Item, ledger=ledger_schema, excluded=[], detail=True)
    return {f"{i.kind} {i.ident}": i.hash for i in found}


def _items(db: Database, ledger_schema: str, excluded: Collection[str], *, detail: bool) -> list[Item]:
    # compiling takes longer than reading a large catalog; rolled back, no setting is left in a caller's transaction
    with db.transaction(rollback=True, search_path="pg_catalog", jit="off"):
        return db.fetch("fingerprint", Item, ledger=ledger_schema, excluded=list(excluded), detail=detail)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What was added, removed or changed, in words.

    >>> differing({"index a": "1", "index b": "1"}, {"index b": "2", "index c": "1"})
    ['index a: gone', 'index b: changed', 'index c: new']
    """
    words = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            words.append(f"{name}: {'new' if name not in before else 'gone' if name not in after else 'changed'}")
    return words
