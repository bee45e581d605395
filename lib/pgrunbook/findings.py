"""What a stage found: one row a check, with what was expected, what was measured, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check, a stage or a run ended."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"
    NOT_MEASURABLE = "not_measurable"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    ABORTED = "aborted"
    REFUSED = "refused"


EXIT_STATUS = {
    Verdict.PASSED: 0,
    Verdict.REFUSED: 2,
    Verdict.FAILED: 10,
    Verdict.PENDING: 11,
    Verdict.ROLLED_BACK: 20,
    Verdict.ROLLBACK_FAILED: 30,
    Verdict.ABORTED: 40,
}
_GRAVITY = (
    Verdict.PASSED,
    Verdict.ROLLED_BACK,
    Verdict.PENDING,
    Verdict.FAILED,
    Verdict.REFUSED,
    Verdict.ABORTED,
    Verdict.ROLLBACK_FAILED,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `gates` says whether a failure fails the stage."""

    check: str
    object: str
    verdict: Verdict
    claimed: str = ""
    measured: str = ""
    gates: bool = True
    detail: str = ""


def passed(check: str, obj: str, ok: bool, **rest: object) -> Check:
    """A check that passed or failed."""
    return Check(check, obj, Verdict.PASSED if ok else Verdict.FAILED, **rest)  # type: ignore[arg-type]


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """A stage's verdict: failed by any gating failure, pending by any open item; no check at all is a failure.

    >>> verdict_of([]).value, verdict_of([Check("a", "b", Verdict.FAILED, gates=False)]).value
    ('failed', 'passed')
    """
    checks = list(checks)
    if not checks or any(c.verdict is Verdict.FAILED and c.gates for c in checks):
        return Verdict.FAILED
    if any(c.verdict is Verdict.PENDING and c.gates for c in checks):
        return Verdict.PENDING
    return Verdict.PASSED


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts.

    >>> gravest([Verdict.PASSED, Verdict.PENDING]).value
    'pending'
    """
    return max(verdicts, key=_GRAVITY.index, default=Verdict.FAILED)
