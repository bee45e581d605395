"""What a change finds and what it does: states, and phases of statements with the locks that they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgrunbook import errors
from pgrunbook.sqlfile import quoted


class Unfit(errors.PreflightFailed):
    """A statement does not fit what stands there now: it names what is not there, or is of another type."""


class LockMode(StrEnum):
    """Table lock modes, weakest first, as in PostgreSQL's documentation, "Explicit Locking"."""

    NONE = "no table lock"
    ACCESS_SHARE = "ACCESS SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"
    UNKNOWN = "unknown, at worst ACCESS EXCLUSIVE"
    WHOLE_FILE = "the whole file, against other writers"  # SQLite's only one


class State(StrEnum):
    """What the catalog says of a change's object; "present" means valid and of the planned definition.

    "absent" is also said of an object that stands with an earlier definition which the change is there to replace,
    "invalid" of a change that is done in part.
    """

    ABSENT = "absent"
    PRESENT = "present"
    INVALID = "invalid"
    BUILDING = "building"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """A state with what was found: `pid` of a running build, `detail` for a reader.

    `found` are the change's own words for what is done of it or stands in its way, for `apply` to go on from.
    """

    state: State
    detail: str = ""
    pid: int = 0
    found: tuple[str, ...] = ()


NOTHING_THERE = Observation(State.ABSENT)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and what it costs. One that waits for other transactions (CONCURRENTLY) can't be in one."""

    sql: str
    lock: LockMode
    relation: str
    transactional: bool = True


@dataclass(frozen=True, slots=True)
class Transaction:
    """Statements that are committed together."""

    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        lines = [f"{s.sql};" for s in self.statements]
        return "\n".join(["begin;", *lines, "commit;"] if len(lines) > 1 else lines)


@dataclass(frozen=True, slots=True)
class Alone:
    """A statement that can't be in a transaction."""

    statement: Statement

    @property
    def statements(self) -> tuple[Statement, ...]:
        return (self.statement,)

    def __str__(self) -> str:
        return f"{self.statement.sql};"


@dataclass(frozen=True, slots=True)
class Look:
    """A statement that only looks, run in a read-only transaction; an error that it raises is its finding."""

    statement: Statement

    @property
    def statements(self) -> tuple[Statement, ...]:
        return (self.statement,)

    def __str__(self) -> str:
        return f"begin read only;\n{self.statement.sql};\ncommit;"


@dataclass(frozen=True, slots=True)
class Walk:
    """An UPDATE in batches by ranges of the primary key, a commit each, with the old values kept; `back`: its undo.

    `sql` is the whole UPDATE, `relation` its table. Its parts are SQL as well: `target` is the table as it is read
    (`only` included), `alias` its name in the others, `others` the rest of the FROM list, `values` what the `columns`
    are set to, `condition` the WHERE. `at_once`: all in one batch. `key` and `columns` are plain names.
    """

    relation: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    sql: str = ""
    target: str = ""
    alias: str = ""
    others: str = ""
    values: tuple[str, ...] = ()
    condition: str = ""
    at_once: bool = False
    back: bool = False

    @property
    def statements(self) -> tuple[Statement, ...]:
        return (Statement(self.sql, LockMode.ROW_EXCLUSIVE, self.relation),)

    def __str__(self) -> str:
        key = ", ".join(map(quoted, self.key))
        batches = "in one transaction" if self.at_once else f"in batches by the primary key ({key}), a commit each"
        if self.back:
            return f"-- {batches}: the old values go back into the rows of {self.relation} that nobody changed since"
        return f"-- {batches}; the old values are kept in the ledger's schema\n{self.sql};"


Phase = Transaction | Alone | Look | Walk


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a change will need: `bytes` on disk for good, `temporary` while it runs, `rows` it reads."""

    bytes: int = 0
    temporary: int = 0
    rows: int = 0


def statements_text(phases: Sequence[Phase]) -> str:
    """Phases as one text, each statement ended by a semicolon."""
    return "\n".join(map(str, phases))


def one_transaction(*statements: Statement) -> list[Phase]:
    """Statements as one phase."""
    return [Transaction(statements)]
