"""The protocol of a change kind: all that is true of one kind of statement stands in its one module.

`apply` and `undo` are pure: they return statements. The executor alone knows timeouts, retries, progress,
ledger and journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from pgrunbook.db import Database
from pgrunbook.findings import Check, passed
from pgrunbook.sqlfile import SqlStatement


class LockMode(StrEnum):
    """Table lock modes, weakest first, as in PostgreSQL's documentation, "Explicit Locking"."""

    ACCESS_SHARE = "ACCESS SHARE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"
    UNKNOWN = "unknown, at worst ACCESS EXCLUSIVE"


class State(StrEnum):
    """What the catalog says of a change's object; "present" means valid and of the planned definition."""

    ABSENT = "absent"
    PRESENT = "present"
    INVALID = "invalid"
    BUILDING = "building"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """A state with what was found: `pid` of a running build, `found` and `planned` definitions that differ."""

    state: State
    detail: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and what it costs. One that waits for other transactions (CONCURRENTLY) can't be in one."""

    sql: str
    lock: LockMode
    relation: str
    transactional: bool = True


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a change will need: `bytes` on disk for good, `temporary` while it runs, `rows` it reads."""

    bytes: int = 0
    temporary: int = 0
    rows: int = 0


class ObjectOptions(BaseModel):
    """What runbook.toml says of one object, under `[objects."NAME"]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    concurrently: bool = True
    on_rollback: Literal["undo", "keep"] = "undo"
    acknowledge_loss: str = ""
    irreversible: str = ""


NO_OPTIONS = ObjectOptions()


class Change(Protocol):
    """One statement of a migration, typed by its kind."""

    kind: ClassVar[str]
    is_index: ClassVar[bool]

    @property
    def written(self) -> SqlStatement:
        """The statement as its author wrote it."""
        ...

    @property
    def options(self) -> ObjectOptions: ...

    @property
    def label(self) -> str:
        """The key of its options in runbook.toml."""
        ...

    @property
    def object(self) -> str:
        """The qualified name of what it makes."""
        ...

    @property
    def relation(self) -> str:
        """The qualified name of the table it locks; empty where that is unknown."""
        ...

    @property
    def idents(self) -> tuple[str, ...]:
        """What it adds to the schema's fingerprint, as "kind ident"."""
        ...

    def resolve(self, db: Database) -> Change:
        """The same change with its names resolved on the target. Raises `PreflightFailed`."""
        ...

    def resolved_sql(self) -> str:
        """The statement with resolved names: what the ledger keeps, enough to make the change again."""
        ...

    def state(self, db: Database) -> Observation: ...

    def capture(self, db: Database) -> dict[str, Any]:
        """What must be remembered to undo it."""
        ...

    def apply(self, found: State) -> list[Statement]: ...

    def undo(self, captured: Mapping[str, Any]) -> list[Statement]: ...

    def loss(self, db: Database) -> str:
        """What an undo would lose now; empty for nothing."""
        ...

    def verify(self, db: Database) -> list[Check]: ...

    def estimate(self, db: Database) -> Estimate: ...

    def lint(self) -> list[str]:
        """What a reader of the plan should know: how the safe form differs from the written one, and why."""
        ...


def verify_state(change: Change, db: Database) -> list[Check]:
    """The check every kind has: the catalog holds a valid object of the planned definition."""
    seen = change.state(db)
    return [
        passed(
            "definition",
            change.object,
            seen.state is State.PRESENT,
            claimed="present, valid, as planned",
            measured=seen.state.value,
            detail=seen.detail,
        )
    ]


def statements_text(statements: Sequence[Statement]) -> str:
    """Statements as one text, each ended by a semicolon."""
    return "\n".join(f"{s.sql};" for s in statements)
