"""Triggers as the catalog has them."""

from __future__ import annotations

from dataclasses import dataclass

from pgrunbook.changes._base import LockMode, Statement
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

# pg_trigger.tgenabled, and the command that sets it
COMMANDS = {"O": "enable", "D": "disable", "A": "enable always", "R": "enable replica"}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger: the statement that makes it, pg_trigger.tgenabled, and "partition tgenabled" of those that differ."""

    definition: str
    enabled: str
    clones: list[str]


def found(db: Database, relation: str, name: str) -> Trigger | None:
    """A relation's trigger; None where it is not there."""
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("trigger", Trigger, relation=relation, name=name)


def subject(relation: str, name: str) -> str:
    """How changes and `Names.there` call a trigger."""
    return f"trigger {relation}.{quoted(name)}"


def set_enabled(relation: str, name: str, enabled: str) -> Statement:
    """The statement that sets pg_trigger.tgenabled."""
    text = f"alter table {relation} {COMMANDS[enabled]} trigger {quoted(name)}"
    return Statement(text, LockMode.SHARE_ROW_EXCLUSIVE, relation)
