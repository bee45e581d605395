"""What a proof keeps of each statement while it runs, and the questions that it puts to a copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgrunbook import errors, sqlfile
from pgrunbook.changes import RawSql, Walk
from pgrunbook.changes.backfill import Backfill
from pgrunbook.db import Database
from pgrunbook.plan import Step
from pgrunbook.proof import NOT_REACHED, StepProof
from pgrunbook.sqlfile import SqlStatement, quoted
from pgrunbook.watch import Progress

Tell = Callable[[str], None]
_CHANGING_ROWS = ("update_stmt", "delete_stmt")


@dataclass(slots=True)
class Row:
    """What is known of one statement so far."""

    step: Step
    applied: str = NOT_REACHED
    undone: str = NOT_REACHED
    again: str = NOT_REACHED
    irreversible: str = ""
    details: list[str] = field(default_factory=list)

    @property
    def line(self) -> int:
        return self.step.change.written.line

    def proof(self) -> StepProof:
        detail = "; ".join(dict.fromkeys(self.details))
        step = self.step
        return StepProof(
            step.position, step.kind, step.object, self.line, self.applied, self.undone, self.again, self.irreversible,
            detail,
        )  # fmt: skip


class Quiet:
    """Tells of a change that takes long, and of nothing else."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def progress(self, progress: Progress) -> None:
        self._tell(f"{progress.position} of {progress.count}, {progress.object}: {progress.phase}")

    def event(self, name: str, **data: Any) -> None: ...


def writes(step: Step) -> bool:
    """Whether it writes rows that were there before."""
    return any(isinstance(phase, Walk) for phase in step.safe)


def meets_no_rows(session: Database, step: Step) -> bool:
    """Whether it changes rows that there are, of a table that was there before and holds none."""
    change, node = step.change, step.change.written.node
    if isinstance(change, Backfill):
        table = change.relation
    elif isinstance(change, RawSql) and change.written.node_kind in _CHANGING_ROWS:
        named: Any = node.relation  # type: ignore[attr-defined]
        table = quoted(*filter(None, (named.schemaname, named.relname)))
    else:
        return False
    try:
        return not session.value(f"select exists (select from {table})")  # noqa: S608  a quoted name
    except errors.StatementFailed:  # the migration makes it
        return False


def statements_of(path: Path) -> tuple[SqlStatement, ...]:
    try:
        return sqlfile.read(path).statements
    except sqlfile.SqlFileError as e:
        raise errors.InvalidRunbook(f"source/{path.name}:{e.line}: {e}", remedy="mend the file") from None


def run_down(session: Database, statements: Sequence[SqlStatement]) -> str:
    """Run the authored way back as it is written; what stopped it."""
    for statement in statements:
        try:
            session.execute(statement.sql)
        except errors.StatementFailed as e:
            with suppress(errors.StatementFailed):
                session.execute("rollback")
            return f"line {statement.line} fails: {e.message}"
    return ""
