"""Claims of the source document: claimed, measured, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pgrunbook.description import Claim
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure.compare import QuerySummary
from pgrunbook.measure.load import LoadResult
from pgrunbook.measure.rewrites import Rewritten


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stage measured that claims can be held against; what it did not measure is None."""

    queries: Mapping[str, QuerySummary]
    index_bytes: int | None = None
    database_bytes_before: int | None = None
    database_bytes_after: int | None = None
    indexes_written: int = 0
    indexes_written_concurrently: int = 0
    changes_left: int | None = None
    fail_again: Sequence[str] | None = None
    rows_lost: int | None = None
    rows_detail: str = ""
    probes: Mapping[str, Verdict] | None = None
    rollback_seconds: float | None = None
    checks: Mapping[str, Verdict] | None = None
    evaluations_before: Mapping[str, int] | None = None
    evaluations_after: Mapping[str, int] | None = None
    cpu_ms: tuple[float, float] | None = None
    cpu_unknown: str = ""
    access_exclusive: Sequence[str] | None = None
    drops: Sequence[str] | None = None
    visibility: Sequence[Check] | None = None
    rewrites: Sequence[Rewritten] | None = None
    loads: Mapping[str, LoadResult] | None = None
    application: Mapping[str, Mapping[str, float]] | None = None
    not_tried: str = ""  # why nothing that writes, or loads the target, was run


@dataclass(frozen=True, slots=True)
class _Value:
    """A number with its unit, or a yes or no: `ok` settles the claim where there is no number, None leaves it open."""

    text: str
    number: float | None = None
    ok: bool | None = None
    detail: str = ""


_MEDIAN = "geometric mean of the medians by bind value"
_EVALUATED = "evaluations of the expression that ran most often"
_UNITS = {
    "query_ms_before": " ms", "query_ms_after": " ms", "speedup": "×", "index_mb": " MB",
    "database_growth_percent": " %", "written_concurrently": " %", "repeatable": "", "rollback_seconds": " s",
    "evaluations_before": "", "evaluations_after": "", "evaluations_fewer_percent": " %", "faster_percent": " %",
    "buffers_fewer_percent": " %", "cpu_change_percent": " %", "access_exclusive": "", "drops": "",
    "load_p95_ms": " ms", "load_stall_ms": " ms", "load_errors": "", "load_connections_percent": " %",
}  # fmt: skip

# what is known only where something that writes, or loads the target, was run
_TRIED = {"probes", "application", "load_p95_ms", "load_stall_ms", "load_errors", "load_connections_percent"}
_ENDINGS = {"_ms": " ms", "_percent": " %", "_s": " s", "_mb": " MB"}


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim as a person reads it."""

    section: str
    claimed: str
    measured: str
    verdict: str
    gates: bool
    detail: str


WORDS = {Verdict.PASSED: "holds", Verdict.FAILED: "does not hold", Verdict.NOT_MEASURABLE: "not measurable"}


def rows(checks: Sequence[Check]) -> list[ClaimRow]:
    """Checks of claims as rows."""
    return [
        ClaimRow(c.object, c.claimed, c.measured, WORDS.get(c.verdict, c.verdict.value), c.gates, c.detail)
        for c in checks
    ]


def hold(claims: Sequence[Claim], measured: Measured, stage: str) -> list[Check]:
    """One check a claim; those of another stage are shown as pending there, and never gate here."""
    return [_hold(claim, measured, stage) for claim in claims]


def _hold(claim: Claim, measured: Measured, stage: str) -> Check:
    def verdict(value: Verdict, text: str, detail: str = "", *, gates: bool = claim.gates) -> Check:
        return Check(f"claim: {claim.id}", claim.section, value, claim.says, text, gates, detail)

    if claim.not_measurable:
        return verdict(Verdict.NOT_MEASURABLE, "not measurable here", claim.not_measurable, gates=False)
    if claim.after != stage:
        return verdict(Verdict.PENDING, f"measured by {claim.after}", gates=False)
    value = _METRICS[str(claim.metric)](claim, measured)
    if value is None:
        why = measured.not_tried if claim.metric in _TRIED else ""
        return verdict(Verdict.NOT_MEASURABLE, "not measured", why or "this run has no value for it")
    if value.number is None and value.ok is None:
        return verdict(Verdict.NOT_MEASURABLE, value.text, value.detail)
    if value.number is None:
        return verdict(Verdict.PASSED if value.ok else Verdict.FAILED, value.text, value.detail)
    holds = (claim.at_least is None or value.number >= claim.at_least) and (
        claim.at_most is None or value.number <= claim.at_most
    )
    asked = " and ".join(
        f"{word} {bound:g}{_unit(claim)}"
        for word, bound in (("at least", claim.at_least), ("at most", claim.at_most))
        if bound is not None
    )
    detail = "; ".join(t for t in (f"holds if {asked}", value.detail) if t)
    return verdict(Verdict.PASSED if holds else Verdict.FAILED, value.text, detail)


def _unit(claim: Claim) -> str:
    if claim.metric != "application":
        return _UNITS[str(claim.metric)]
    if claim.way not in ("old", "new", "saved"):
        return "×" if claim.way == "factor" else " %"
    return next((unit for ending, unit in _ENDINGS.items() if claim.of.endswith(ending)), "")


def _before(claim: Claim, m: Measured) -> _Value | None:
    found = m.queries.get(claim.query)
    if found is None or math.isnan(found.before_ms):
        return None
    return _time(found.before_ms, censored=found.censored_before)


def _after(claim: Claim, m: Measured) -> _Value | None:
    found = m.queries.get(claim.query)
    if found is None or math.isnan(found.after_ms):
        return None
    return _time(found.after_ms, censored=found.censored_after)


def _time(ms: float, *, censored: bool) -> _Value:
    """A median; one over the query's limit is longer than any bound that a claim could set."""
    return _Value(f"{'> ' if censored else ''}{ms:.2f} ms", math.inf if censored else ms, detail=_MEDIAN)


def _speedup(claim: Claim, m: Measured) -> _Value | None:
    found = m.queries.get(claim.query)
    if found is None or math.isnan(found.factor):
        return None
    if found.censored_after and not found.censored_before:
        return _Value("slower, over the time limit", 0.0, detail=_MEDIAN)
    spread = f"{_MEDIAN}, from {found.slowest_factor:.2f}× to {found.fastest_factor:.2f}×"
    return _Value(f"{found.factor:.3g}×", found.factor, detail=spread)


def _index_mb(_: Claim, m: Measured) -> _Value | None:
    return None if m.index_bytes is None else _Value(f"{m.index_bytes / 2**20:.1f} MB", m.index_bytes / 2**20)


def _growth(_: Claim, m: Measured) -> _Value | None:
    if not m.database_bytes_before or m.database_bytes_after is None:
        return None
    percent = 100 * (m.database_bytes_after / m.database_bytes_before - 1)
    return _Value(f"{percent:+.1f} %", percent)


def _concurrently(_: Claim, m: Measured) -> _Value | None:
    if not m.indexes_written:
        return None
    percent = 100 * m.indexes_written_concurrently / m.indexes_written
    return _Value(
        f"{m.indexes_written_concurrently} of {m.indexes_written} as written",
        percent,
        detail="the plan builds them concurrently wherever the runbook does not say otherwise",
    )


def _repeatable(_: Claim, m: Measured) -> _Value | None:
    if m.changes_left is None:
        return None
    text = f"{m.changes_left} changes left in a second plan"
    if m.fail_again is None:
        return _Value(text, m.changes_left, detail="the statements as written were not run again on this target")
    text += f"; {len(m.fail_again)} of the statements as written fail when run again"
    return _Value(text, m.changes_left + len(m.fail_again), detail="; ".join(m.fail_again[:3]))


def _rows(_: Claim, m: Measured) -> _Value | None:
    if m.rows_lost is None:
        return None
    return _Value(m.rows_detail, ok=m.rows_lost == 0)


def _answers(_: Claim, m: Measured) -> _Value | None:
    known = {name: q.same_answers for name, q in m.queries.items() if q.same_answers is not None}
    if not known:
        return None
    wrong = [name for name, same in known.items() if not same]
    return _Value(
        f"{len(known) - len(wrong)} of {len(known)} queries answer as before", ok=not wrong, detail=", ".join(wrong)
    )


def _same_rows(claim: Claim, m: Measured) -> _Value | None:
    own = [r for r in m.rewrites or () if r.query == claim.query]
    known = [r for r in own if r.verdict is not Verdict.NOT_MEASURABLE]
    if not known:
        return None
    wrong = [r for r in known if r.differing]
    text = f"{len(known) - len(wrong)} of {len(known)} bind sets have the same rows"
    detail = "differ: " + ", ".join(r.shown or r.binds for r in wrong) if wrong else ""
    return _Value(text, ok=not wrong, detail=detail)


def _load_p95(claim: Claim, m: Measured) -> _Value | None:
    found = (m.loads or {}).get(claim.when)
    return _under_load(found, found.p95_ms) if found else None


def _load_stall(claim: Claim, m: Measured) -> _Value | None:
    found = (m.loads or {}).get(claim.when)
    return _under_load(found, found.stall_ms) if found else None


def _under_load(found: LoadResult, ms: float | None) -> _Value | None:
    return None if ms is None else _Value(f"{ms:,.1f} ms", ms, detail=_of(found))


def _load_errors(claim: Claim, m: Measured) -> _Value | None:
    found = (m.loads or {}).get(claim.when)
    return _Value(f"{found.errors}", found.errors, detail=found.message or _of(found)) if found else None


def _load_connections(claim: Claim, m: Measured) -> _Value | None:
    found = (m.loads or {}).get(claim.when)
    if found is None:
        return None
    text = f"{found.connections_percent:.0f} %, {found.connections} of {found.connections_allowed}"
    return _Value(text, found.connections_percent, detail=_of(found))


def _of(found: LoadResult) -> str:
    return f"{found.clients} clients, {found.requests:,} requests {found.when} the migration"


def _probes(claim: Claim, m: Measured) -> _Value | None:
    if m.probes is None or any(c not in m.probes for c in claim.checks):
        return None
    return _passing(claim, m.probes, "probes")


def _checks(claim: Claim, m: Measured) -> _Value | None:
    if m.checks is None or any(c not in m.checks for c in claim.checks):
        return None
    return _passing(claim, m.checks, "checks")


def _passing(claim: Claim, verdicts: Mapping[str, Verdict], word: str) -> _Value:
    failed = [c for c in claim.checks if verdicts[c] is not Verdict.PASSED]
    return _Value(
        f"{len(claim.checks) - len(failed)} of {len(claim.checks)} {word} pass", ok=not failed, detail=", ".join(failed)
    )


def _rollback(_: Claim, m: Measured) -> _Value | None:
    return None if m.rollback_seconds is None else _Value(f"{m.rollback_seconds:.1f} s", m.rollback_seconds)


def _evaluations_before(claim: Claim, m: Measured) -> _Value | None:
    return _count(m.evaluations_before, claim.query)


def _evaluations_after(claim: Claim, m: Measured) -> _Value | None:
    return _count(m.evaluations_after, claim.query)


def _count(evaluations: Mapping[str, int] | None, query: str) -> _Value | None:
    if evaluations is None or query not in evaluations:
        return None
    return _Value(f"{evaluations[query]:,}", evaluations[query], detail=_EVALUATED)


def _evaluations_fewer(claim: Claim, m: Measured) -> _Value | None:
    before, after = ((e or {}).get(claim.query) for e in (m.evaluations_before, m.evaluations_after))
    return None if before is None or after is None else _fewer(before, after, _EVALUATED)


def _faster(claim: Claim, m: Measured) -> _Value | None:
    found = m.queries.get(claim.query)
    if found is None or math.isnan(found.before_ms) or math.isnan(found.after_ms):
        return None
    if found.censored_after:
        return _Value("not known, over the time limit afterwards", -math.inf, detail=_MEDIAN)
    percent = 100 * (1 - found.after_ms / found.before_ms)
    word = "at least " if found.censored_before else ""
    return _Value(
        f"{word}{percent:.1f} %", percent, detail=f"{found.before_ms:.2f} → {found.after_ms:.2f} ms, {_MEDIAN}"
    )


def _buffers(claim: Claim, m: Measured) -> _Value | None:
    found = m.queries.get(claim.query)
    if found is None or not found.buffers_before or found.buffers_after is None:
        return None
    return _fewer(found.buffers_before, found.buffers_after, "blocks of 8 kB, over all bind values")


def _application(claim: Claim, m: Measured) -> _Value | None:
    """A figure of the application's model, the old way, the new, or one against the other."""
    if m.application is None:
        return None
    sides = {"old": ("old",), "new": ("new",)}.get(claim.way, ("old", "new"))
    asked = [(way, claim.of) for way in sides]
    if claim.way == "total_percent":
        asked.append(("old", f"{claim.of.rpartition('.')[0]}.total"))
    numbers = [m.application.get(way, {}).get(name) for way, name in asked]
    if any(n is None for n in numbers):
        lacking = next(f"{name}, the {way} way" for (way, name), n in zip(asked, numbers, strict=True) if n is None)
        return _Value("not measured", detail=f"nothing told {lacking}")
    number, detail = _compared(claim.way, [n for n in numbers if n is not None])
    if number is None:
        return _Value("not measured", detail=f"{claim.of} is 0: of nothing there is no share")
    return _Value(f"{_short(number)}{_unit(claim)}", number, detail=detail)


def _compared(way: str, numbers: Sequence[float]) -> tuple[float | None, str]:
    """A value by itself, or the old one against the new; None of nothing."""
    if len(numbers) == 1:
        return numbers[0], ""
    old, new, *total = numbers
    detail = f"{_short(old)} → {_short(new)}" + (f" of {_short(total[0])}" if total else "")
    whole = total[0] if total else old
    if way == "saved":
        return old - new, detail
    if way == "factor":
        return (old / new if new else math.inf) if old else None, detail
    return 100 * (old - new) / whole if whole else None, detail


def _short(number: float) -> str:
    """A number as a person reads it.

    >>> _short(12345.6), _short(0.01234), _short(50.0), _short(math.inf)
    ('12,346', '0.0123', '50', 'infinite')
    """
    if math.isinf(number):
        return "infinite"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def _fewer(before: int, after: int, what: str) -> _Value | None:
    """By how many percent a count fell; of nothing there is no share."""
    if not before:
        return None
    percent = 100 * (1 - after / before)
    # two digits more than the claim "99.95 % fewer" needs to be told from 99.9 %
    return _Value(f"{percent:.4g} %", percent, detail=f"{before:,} → {after:,} {what}")


def _cpu(_: Claim, m: Measured) -> _Value | None:
    if m.cpu_ms is None or not m.cpu_ms[0]:
        return _Value("not measured", detail=m.cpu_unknown) if m.cpu_unknown else None
    before, after = m.cpu_ms
    percent = 100 * (after / before - 1)
    detail = f"{before:.2f} → {after:.2f} ms of the backend's process, the queries by their weight"
    return _Value(f"{percent:+.1f} %", percent, detail=detail)


def _access_exclusive(_: Claim, m: Measured) -> _Value | None:
    if m.access_exclusive is None:
        return None
    tables = ", ".join(dict.fromkeys(m.access_exclusive))
    return _Value(f"{len(m.access_exclusive)} statements take ACCESS EXCLUSIVE", len(m.access_exclusive), detail=tables)


def _drops(_: Claim, m: Measured) -> _Value | None:
    if m.drops is None:
        return None
    return _Value(f"{len(m.drops)} changes drop something", len(m.drops), detail=", ".join(m.drops))


def _visibility(_: Claim, m: Measured) -> _Value | None:
    if not m.visibility:
        return None
    failed = [c for c in m.visibility if c.verdict is Verdict.FAILED]
    unknown = [c for c in m.visibility if c.verdict is Verdict.NOT_MEASURABLE]
    held = len(m.visibility) - len(failed) - len(unknown)
    text = f"{held} of {len(m.visibility)} as declared"
    if unknown:
        text += f", {len(unknown)} not measurable"
    detail = "; ".join(f"{c.check}, {c.object}: {c.measured}" for c in (failed or unknown)[:3])
    return _Value(text, ok=False if failed else None if unknown else True, detail=detail)


_METRICS: Mapping[str, Callable[[Claim, Measured], _Value | None]] = {
    "query_ms_before": _before,
    "query_ms_after": _after,
    "speedup": _speedup,
    "index_mb": _index_mb,
    "database_growth_percent": _growth,
    "written_concurrently": _concurrently,
    "repeatable": _repeatable,
    "rows_unchanged": _rows,
    "answers_unchanged": _answers,
    "probes": _probes,
    "checks": _checks,
    "rollback_seconds": _rollback,
    "evaluations_before": _evaluations_before,
    "evaluations_after": _evaluations_after,
    "evaluations_fewer_percent": _evaluations_fewer,
    "faster_percent": _faster,
    "buffers_fewer_percent": _buffers,
    "cpu_change_percent": _cpu,
    "visibility": _visibility,
    "same_rows": _same_rows,
    "load_p95_ms": _load_p95,
    "load_stall_ms": _load_stall,
    "load_errors": _load_errors,
    "load_connections_percent": _load_connections,
    "application": _application,
    "access_exclusive": _access_exclusive,
    "drops": _drops,
}
