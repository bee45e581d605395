"""The document's table of key metrics: what it says of each, what the baseline measured, and what it is now."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgrunbook.description import KeyMetric
from pgrunbook.findings import Verdict
from pgrunbook.measure.compare import cpu_change, median_ms
from pgrunbook.measure.evaluations import Evaluation, of_query
from pgrunbook.measure.sampling import Sample
from pgrunbook.monitor.compare import HealthCourse, QueryCourse

BY_STATEMENTS = "mean of the newest calls, as the server counts them"
_BY_VERIFY = "as verify measured it: the server counts no newer calls"


@dataclass(frozen=True, slots=True)
class Measurements:
    """What a run measured, empty where its folder is not there, and what the looks know by now."""

    before: Sequence[Sample] = ()
    after: Sequence[Sample] = ()
    evaluations_before: Sequence[Evaluation] = ()
    evaluations_after: Sequence[Evaluation] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    times: Sequence[QueryCourse] = ()
    health: Sequence[HealthCourse] = ()
    plans_as_verified: bool = False


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of the table. What is `said` is the document's, the rest was measured."""

    metric: str
    baseline_said: str
    baseline: str
    target: str
    now: str
    verdict: str
    how: str


@dataclass(frozen=True, slots=True)
class _Value:
    baseline: str
    now: str
    number: float | None
    how: str


USUAL = (
    KeyMetric(says="Query response time", metric="query_ms", target="no slower"),
    KeyMetric(says="Error rate", metric="errors", target="no increase"),
    KeyMetric(says="Cache hits", metric="cache_hits", target="no decrease"),
    KeyMetric(says="Database CPU", metric="cpu", target="no increase"),
)


def rows(metrics: Sequence[KeyMetric], measured: Measurements) -> list[MetricRow]:
    """The table of a runbook's own metrics, or the usual ones where it names none."""
    return [_row(metric, measured) for metric in metrics or USUAL]


def _row(metric: KeyMetric, measured: Measurements) -> MetricRow:
    def row(value: _Value, verdict: str, how: str) -> MetricRow:
        told = "; ".join(t for t in (how, f"the document: {metric.how}" if metric.how else "") if t)
        return MetricRow(metric.says, metric.baseline, value.baseline, metric.target, value.now, verdict, told)

    if metric.not_measurable or metric.metric is None:
        reason = metric.not_measurable or "nothing here measures it"
        return row(_Value("", "", None, ""), "not measurable", reason)
    value = _METRICS[metric.metric](metric, measured)
    if value is None:
        unknown = ", ".join(q for q in metric.queries if q not in measured.weights)
        reason = f"no workload query {unknown}" if unknown else "neither the run's folder nor a snapshot has it"
        return row(_Value("", "", None, ""), "not measurable", reason)
    if value.number is None or (metric.at_least is None and metric.at_most is None):
        return row(value, "", value.how)
    holds = (metric.at_least is None or value.number >= metric.at_least) and (
        metric.at_most is None or value.number <= metric.at_most
    )
    return row(value, "holds" if holds else "does not hold", value.how)


def now_ms(times: Sequence[QueryCourse], query: str) -> float | None:
    """A query's mean time now: its statements together; None where the looks know none."""
    own = [t for t in times if t.own and (t.name == query or t.name.rpartition(" ")[0] == query)]
    return sum(t.judged.now for t in own) if own else None


def _query_ms(metric: KeyMetric, m: Measurements) -> _Value | None:
    queries = (
        metric.queries or tuple(dict.fromkeys(s.query for s in m.before)) or tuple(t.name for t in m.times if t.own)
    )
    before, verified = ([_mean(samples, q) for q in queries] for samples in (m.before, m.after))
    seen = [now_ms(m.times, q) for q in queries]
    known = [ms for ms in seen if ms is not None]
    if known:
        some = "" if len(known) == len(queries) else f", {len(known)} of {len(queries)} queries"
        return _Value(_average(before), _ms(known), statistics.fmean(known), BY_STATEMENTS + some)
    measured = [ms for ms in verified if ms is not None]
    if not measured:
        return None
    return _Value(_average(before), _ms(measured), statistics.fmean(measured), _BY_VERIFY)


def _mean(samples: Sequence[Sample], query: str) -> float | None:
    """The mean of a query's medians over its bind sets."""
    own = [median_ms(s) for s in samples if s.query == query and s.n]
    return statistics.fmean(own) if own else None


def _average(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return _ms(known) if known else ""


def _ms(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):,.2f} ms"


def _evaluations(metric: KeyMetric, m: Measurements) -> _Value | None:
    before, after = (
        [n for q in metric.queries if (n := of_query(found, q)) is not None]
        for found in (m.evaluations_before, m.evaluations_after)
    )
    if not after:
        return None
    how = "as verify counted them; its plans are still those" if m.plans_as_verified else "as verify counted them"
    return _Value(f"{max(before):,}" if before else "", f"{max(after):,}", float(max(after)), how)


def _cpu(_: KeyMetric, m: Measurements) -> _Value | None:
    change = cpu_change(m.before, m.after, m.weights)
    if change is None or not change[0]:
        return None
    percent = 100 * (change[1] / change[0] - 1)
    how = "processor time of the whole workload once, in verify against the baseline: the server counts none by itself"
    return _Value(f"{change[0]:,.2f} ms", f"{percent:+.1f} %", percent, how)


def _errors(_: KeyMetric, m: Measurements) -> _Value | None:
    found = _health(m, "rollbacks")
    if found is None or found.judged is None:
        return None
    deadlocks = _health(m, "deadlocks")
    told = f", {deadlocks.judged.now:,.1f} deadlocks a day" if deadlocks and deadlocks.judged else ""
    before, now = found.judged.before, found.judged.now
    how = "transactions rolled back; the application's own errors are in its log"
    return _Value("" if before is None else f"{before:,.2f} %", f"{now:,.2f} %{told}", now, how)


def _cache_hits(_: KeyMetric, m: Measurements) -> _Value | None:
    found = _health(m, "cache misses")
    if found is None or found.judged is None:
        return None
    before, now = found.judged.before, 100 - found.judged.now
    how = "blocks found in the server's own memory, median of the windows before against the newest"
    return _Value("" if before is None else f"{100 - before:,.2f} %", f"{now:,.2f} %", now, how)


def _health(m: Measurements, what: str) -> HealthCourse | None:
    return next((h for h in m.health if h.what == what), None)


def holds(verdict: str) -> Verdict:
    """A row's verdict as a check has it."""
    return {"holds": Verdict.PASSED, "does not hold": Verdict.FAILED}.get(verdict, Verdict.NOT_MEASURABLE)


_METRICS = {
    "query_ms": _query_ms,
    "evaluations": _evaluations,
    "cpu": _cpu,
    "errors": _errors,
    "cache_hits": _cache_hits,
}
