"""Constraints of tables: how they are found, compared, named and brought back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.sql import Literal

from pgrunbook.changes._base import LockMode, Phase, Statement, Transaction
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

_NAME_BYTES = 63
NOT_VALID = "not valid"


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint in the catalog.

    `type` is pg_constraint.contype, `definition` pg_get_constraintdef's without NOT VALID and with all names qualified;
    `index` is the qualified name of its own index, `traits` what its definition does not say of that index.
    """

    type: str
    validated: bool
    enforced: bool
    definition: str
    inherited: bool
    triggers_altered: bool
    comment: str
    index: str
    traits: str
    nullable: list[str]

    @property
    def shown(self) -> str:
        """The definition with NOT VALID, as pg_get_constraintdef gives it."""
        return self.definition if self.validated or not self.enforced else f"{self.definition} NOT VALID"

    @property
    def remembered(self) -> dict[str, Any]:
        """What brings it back."""
        return asdict(self) | {"shown": self.shown}


def find(db: Database, relation: str, name: str) -> Constraint | None:
    """A table's constraint by its name."""
    with db.transaction(search_path="pg_catalog"):
        return look(db, relation, name)


def look(db: Database, relation: str, name: str) -> Constraint | None:
    """As `find`, in a transaction whose search_path is pg_catalog already, so that all names are qualified."""
    return db.one("constraint", Constraint, table=relation, name=name)


def chosen_name(table: str, columns: Iterable[str], word: str) -> str:
    """The name that the server gives an object of a table, where it is free: as its makeObjectName does.

    >>> chosen_name("t", ["a", "b"], "key"), chosen_name("t", [], "pkey"), len(chosen_name("t" * 70, ["c"], "fkey"))
    ('t_a_b_key', 't_pkey', 63)
    """
    parts = [table.encode()]
    joined = b""
    for column in columns:
        joined += (b"_" if joined else b"") + column.encode()
        if len(joined) > _NAME_BYTES:
            break
    if joined:
        parts.append(joined[:_NAME_BYTES])
    room = _NAME_BYTES - len(word.encode()) - len(parts)
    lengths = [len(p) for p in parts]
    while sum(lengths) > room:
        longer = 0 if len(lengths) == 1 or lengths[0] > lengths[1] else 1
        lengths[longer] -= 1
    # a character that is cut in two is left out
    kept = [p[:n].decode(errors="ignore") for p, n in zip(parts, lengths, strict=True)]
    return "_".join([*kept, word])


def alter(relation: str, command: str, lock: LockMode = LockMode.ACCESS_EXCLUSIVE) -> Statement:
    """One command on a table."""
    return Statement(f"alter table {relation} {command}", lock, relation)


def adding_lock(kind: str) -> LockMode:
    """What adding a constraint of that pg_constraint.contype locks, NOT VALID or whole."""
    return LockMode.SHARE_ROW_EXCLUSIVE if kind == "f" else LockMode.ACCESS_EXCLUSIVE


def drop(relation: str, name: str) -> Statement:
    """Takes a constraint away where it is there."""
    return alter(relation, f"drop constraint if exists {quoted(name)}")


def commented(relation: str, name: str, comment: str) -> list[Statement]:
    """Gives a constraint its comment; none for an empty one."""
    if not comment:
        return []
    text = Literal(comment).as_string()
    sql = f"comment on constraint {quoted(name)} on {relation} is {text}"
    return [Statement(sql, LockMode.ACCESS_EXCLUSIVE, relation)]


def added_not_valid(relation: str, name: str, before: Mapping[str, Any]) -> Transaction:
    """Puts a constraint back, not looking at the rows that are there, in the place of what bears its name now."""
    return Transaction(
        (
            drop(relation, name),
            alter(relation, f"add constraint {quoted(name)} {before['definition']} not valid"),
            *commented(relation, name, before["comment"]),
        )
    )


def validated(relation: str, name: str) -> Transaction:
    """Looks at every row, while they are written."""
    return Transaction((alter(relation, f"validate constraint {quoted(name)}", LockMode.SHARE_UPDATE_EXCLUSIVE),))


def brought_back(relation: str, name: str, before: Mapping[str, Any]) -> list[Phase]:
    """A CHECK, FOREIGN KEY or NOT NULL constraint as it was, by the form that blocks least."""
    if not before["enforced"]:
        add = alter(relation, f"add constraint {quoted(name)} {before['definition']}")
        return [Transaction((drop(relation, name), add, *commented(relation, name, before["comment"])))]
    phases: list[Phase] = [added_not_valid(relation, name, before)]
    return [*phases, validated(relation, name)] if before["validated"] else phases
