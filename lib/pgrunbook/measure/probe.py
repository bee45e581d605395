"""Running the runbook's checks: an assertion returns the offending rows, a probe writes and is always rolled back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from pgrunbook import errors, sqlfile
from pgrunbook.db import Database
from pgrunbook.findings import Check, passed
from pgrunbook.runbook import Assertion

_LOCK_TIMEOUT = "3s"
_RIVAL_LOCK_TIMEOUT = "500ms"


def run(
    assertion: Assertion, db: Database, rival: Callable[[], Database], timeout_s: float, *, show_rows: bool
) -> Check:
    """Run one check. `rival` opens the second session of a probe in which two compete; `show_rows` quotes rows.

    Everything happens in a transaction that is rolled back, under both timeouts.
    """
    timeout = f"{int(timeout_s * 1000)}ms"
    try:
        with db.transaction(
            rollback=True, read_only=not assertion.writes, lock_timeout=_LOCK_TIMEOUT, statement_timeout=timeout
        ):
            offending: list[tuple[Any, ...]] = []
            for statement in assertion.statements:
                offending = db.rows(statement.sql)
            winners = _compete(assertion, rival, timeout) if assertion.rival else []
    except errors.StatementFailed as e:
        return passed(
            assertion.name,
            assertion.title,
            False,
            claimed="no offending row",
            measured=e.message,
            gates=assertion.gates,
        )
    found = len(offending) + len(winners)
    detail = "; ".join(_shown(r) for r in [*offending, *winners][:3]) if show_rows or assertion.harmless else ""
    if winners:
        detail = f"the competing session won: {detail}" if detail else "the competing session won"
    return passed(
        assertion.name,
        assertion.title,
        not found,
        claimed="no offending row",
        measured="none" if not found else f"{found} offending row{'s' if found > 1 else ''}",
        gates=assertion.gates,
        detail=detail,
    )


def _compete(assertion: Assertion, rival: Callable[[], Database], timeout: str) -> list[tuple[Any, ...]]:
    """What the second session gets while the first one's transaction is open; being locked out is nothing."""
    won: list[tuple[Any, ...]] = []
    with (
        rival() as second,
        contextlib.suppress(errors.LockNotAvailable),
        second.transaction(rollback=True, lock_timeout=_RIVAL_LOCK_TIMEOUT, statement_timeout=timeout),
    ):
        for statement in sqlfile.split(assertion.rival):
            won = second.rows(statement.sql)
    return won


def _shown(row: Sequence[Any]) -> str:
    return ", ".join(str(v) for v in row)
