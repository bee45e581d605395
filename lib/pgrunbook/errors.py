"""Every error says what happened, on which object, and what mends it; its class decides the exit status."""

from __future__ import annotations

from typing import ClassVar


class PgRunbookError(Exception):
    """An error that a person can act on.

    `verdict` is what a stage ends with when this error ends it, `exit_status` what the command ends with.
    """

    verdict: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 10

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence and the remedy, no forty lines of Python (IPython's hook)."""
        return [f"{type(self).__name__}: {self}"]


class WrongUsage(PgRunbookError):
    """Nothing was tried: the command, a file or a parameter is wrong."""

    verdict = "refused"
    exit_status = 2


class InvalidRunbook(WrongUsage):
    """A runbook that does not validate; the message lists every mistake with its file and line."""


class BadTarget(WrongUsage):
    """A target that can't be reached, is not what it should be, or lacks privileges."""


class SandboxError(WrongUsage):
    """The embedded server can't be run here."""


class MissingForerunner(WrongUsage):
    """A stage that builds on another one, which has not been run."""


class PreflightFailed(PgRunbookError):
    """Something in the target forbids the change; nothing was written."""


class StatementFailed(PgRunbookError):
    """The server refused a statement."""

    def __init__(self, message: str, *, remedy: str = "", sqlstate: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.sqlstate = sqlstate


class LockNotAvailable(StatementFailed):
    """A lock was not had within lock_timeout (55P03)."""


class StatementCancelled(StatementFailed):
    """A statement was cancelled or ran over statement_timeout (57014)."""


class CheckFailed(PgRunbookError):
    """A gating check failed."""


class Halted(PgRunbookError):
    """A cell after one that failed: nothing is done any more."""


class Pending(PgRunbookError):
    """Somebody has to act before this can pass."""

    verdict = "pending"
    exit_status = 11


class RollbackFailed(PgRunbookError):
    """The way back was not walked to its end."""

    verdict = "rollback_failed"
    exit_status = 30


class Aborted(PgRunbookError):
    """Stopped before its end: busy lock, interrupt, deadline."""

    verdict = "aborted"
    exit_status = 40


class Busy(Aborted):
    """Somebody else holds the runbook's lock on this database."""


class LostConnection(Aborted):
    """The connection broke; what the server did meanwhile is in the catalog and the ledger."""
