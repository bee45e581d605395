"""Before against after: one row a query and bind set."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgrunbook.measure.sampling import Sample


@dataclass(frozen=True, slots=True)
class Comparison:
    """One query with one bind set before and after. `factor` is how many times faster the median got.

    Times are medians in ms, NaN where nothing was timed; a censored one is the limit, so a factor from it is a bound.
    Of a rewrite "before" is the query that it `replaces`; whether its rows are the same is told elsewhere.
    """

    query: str
    binds: str
    before_ms: float
    after_ms: float
    factor: float
    before: str
    after: str
    buffers_before: int
    buffers_after: int
    plan_before: str
    plan_after: str
    same_answer: bool | None
    samples: int
    replaces: str = ""


def compare(before: Sequence[Sample], after: Sequence[Sample]) -> list[Comparison]:
    """Pair the samples by query and bind set, a rewrite with what it replaces; what has no partner is left out."""
    old, new = ({(s.query, s.binds): s for s in samples} for samples in (before, after))
    pairs = [_pair(s, new[key]) for key, s in old.items() if key in new]
    return pairs + [_pair(old[s.replaces, s.binds], s) for s in after if s.replaces and (s.replaces, s.binds) in old]


def _pair(old: Sample, new: Sample) -> Comparison:
    before, after = median_ms(old), median_ms(new)
    known = not (old.censored or new.censored or new.replaces)
    return Comparison(
        query=new.query,
        binds=old.binds,
        before_ms=before,
        after_ms=after,
        factor=before / after if after else 1.0,
        before=shown_ms(old),
        after=shown_ms(new),
        buffers_before=old.buffers,
        buffers_after=new.buffers,
        plan_before=old.plan,
        plan_after=new.plan,
        same_answer=old.answer == new.answer and old.rows == new.rows if known else None,
        samples=min(old.n, new.n),
        replaces=new.replaces,
    )


def median_ms(sample: Sample) -> float:
    """The median, or the limit where the query went over it; NaN where nothing was timed."""
    if sample.censored:
        return sample.censored * 1000
    return math.nan if sample.p50 is None else sample.p50


def shown_ms(sample: Sample) -> str:
    """A median as a person reads it."""
    if sample.censored:
        return f"> {sample.censored:g} s"
    return "not timed" if sample.p50 is None else f"{sample.p50:,.2f} ms"


@dataclass(frozen=True, slots=True)
class QuerySummary:
    """A query over all its bind sets: the geometric means of the medians, and of the factors; all buffers together.

    With the geometric mean the factor of the times told is the mean of the factors, so the row can't contradict itself.

    Where a time is `censored` a query went over its limit: its median is at least what is told here.
    `gone` and `new` are the scans of the plans that only were before, or only are after, over all bind sets.
    """

    query: str
    before_ms: float
    after_ms: float
    factor: float
    slowest_factor: float
    fastest_factor: float
    gone: tuple[str, ...]
    new: tuple[str, ...]
    censored_before: bool
    censored_after: bool
    same_answers: bool | None
    buffers_before: int | None = None
    buffers_after: int | None = None
    replaces: str = ""


def summarise(pairs: Sequence[Comparison]) -> list[QuerySummary]:
    """One row a query."""
    rows = []
    for query in dict.fromkeys(p.query for p in pairs):
        own = [p for p in pairs if p.query == query]
        factors = [p.factor for p in own]
        whole = [p for p in own if not (p.before.startswith(">") or p.after.startswith(">"))]  # else they are not known
        rows.append(
            QuerySummary(
                query=query,
                before_ms=_mean([p.before_ms for p in own]),
                after_ms=_mean([p.after_ms for p in own]),
                factor=_mean(factors),
                slowest_factor=min(factors),
                fastest_factor=max(factors),
                gone=_scans_only_in([p.plan_before for p in own], [p.plan_after for p in own]),
                new=_scans_only_in([p.plan_after for p in own], [p.plan_before for p in own]),
                censored_before=any(p.before.startswith(">") for p in own),
                censored_after=any(p.after.startswith(">") for p in own),
                same_answers=_all_same([p.same_answer for p in own]),
                buffers_before=sum(p.buffers_before for p in whole) if whole else None,
                buffers_after=sum(p.buffers_after for p in whole) if whole else None,
                replaces=own[0].replaces,
            )
        )
    return rows


def cpu_change(
    before: Sequence[Sample], after: Sequence[Sample], weights: Mapping[str, float]
) -> tuple[float, float] | None:
    """Processor time in ms of one execution of the whole weighted workload, before and after; None where unknown.

    A bind set over its limit on either side is left out of both. A rewrite counts in the place of what it replaces.
    """
    partners = {(s.replaces or s.query, s.binds): s for s in sorted(after, key=lambda s: bool(s.replaces))}
    pairs = [(old, partners[old.query, old.binds]) for old in before if (old.query, old.binds) in partners]
    known = [(a, b) for a, b in pairs if not (a.censored or b.censored)]
    if not known or any(s.cpu_ms is None for pair in known for s in pair):
        return None

    def total(side: int) -> float:
        by_query: dict[str, list[float]] = {}
        for pair in known:
            by_query.setdefault(pair[0].query, []).append(pair[side].cpu_ms or 0.0)
        return sum(weights.get(q, 1) * statistics.fmean(times) for q, times in by_query.items())

    return total(0), total(1)


def _mean(values: Sequence[float]) -> float:
    """The geometric mean; NaN where nothing was timed.

    >>> round(_mean([1.0, 100.0]), 6)
    10.0
    """
    return math.nan if any(math.isnan(v) or v <= 0 for v in values) else statistics.geometric_mean(values)


def _all_same(answers: Sequence[bool | None]) -> bool | None:
    """False where one differs, None where one is not known, True where all are the same."""
    if False in answers:
        return False
    return None if None in answers else True


def _scans_only_in(plans: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The scans by which plans differ from their partners, most frequent first."""
    found: dict[str, int] = {}
    for plan, other in zip(plans, others, strict=True):
        for scan in set(plan.split(", ")) - set(other.split(", ")):
            found[scan] = found.get(scan, 0) + 1
    return tuple(sorted(found, key=lambda scan: (-found[scan], scan)))
