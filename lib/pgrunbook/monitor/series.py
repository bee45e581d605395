"""What changed for good in a series of windows of time, told robustly: against the median of what was before."""

from __future__ import annotations

import math
import statistics
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pgrunbook.monitor.course import Point

Counters = tuple[float, ...]  # the whole, its parts, and the squares of those where they are known
_ERRORS = 3.0  # standard errors of a mean
_AT_LEAST = 3  # windows that a judgement needs before the one that is judged
_SPREADS = 6.0  # a value so many spreads above the median is none of its neighbours
_COLD_S = 3600.0  # after its start a server reads from disk what it will have in memory later


@dataclass(frozen=True, slots=True)
class Window:
    """The time between two snapshots, and how much a pair of counters grew in it: `parts` of `whole`.

    `squares` are those of the single parts, where the server counts them.
    """

    after: Point
    until: Point
    whole: float
    parts: float
    squares: float | None = None

    @property
    def share(self) -> float:
        """Parts of one of the whole: milliseconds a call, rollbacks a transaction."""
        return self.parts / self.whole

    def far_from(self, usual: float) -> bool:
        """Whether many parts are above the usual, and not a single one far: a mean of few calls is soon off."""
        if self.squares is None:
            return True
        variance = max(self.squares / self.whole - self.share**2, 0.0)
        return self.share - usual >= _ERRORS * math.sqrt(variance / max(self.whole - 1, 1))

    @property
    def cold(self) -> bool:
        """Whether the server had just been started, so that its caches were empty."""
        return 0 <= (self.until.at - self.until.server_started).total_seconds() < _COLD_S


@dataclass(frozen=True, slots=True)
class Rule:
    """When a share is too high: `factor` times the median before, and more than it by `least`.

    One window alone counts where it is `huge` times the median, and far from it; otherwise it takes two in a row.
    """

    factor: float
    least: float
    huge: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A series: the median before, the share now, how many windows, and the first one of a change that lasts."""

    before: float | None
    now: float
    windows: int
    changed: Window | None


def windows(
    points: Iterable[Point],
    epoch: int,
    counters: Callable[[Point], Counters | None],
    least: float,
) -> list[Window]:
    """The windows in which the whole grew by at least `least`; a shorter one is joined with the next.

    None of them reaches over a mark, or over a counter that fell.
    """
    found: list[Window] = []
    begin: tuple[Point, Counters] | None = None
    for point in points:
        value = counters(point)
        if value is None:
            continue
        if begin is None or begin[0].epochs[epoch] != point.epochs[epoch] or _fell(begin[1], value):
            begin = (point, value)
        elif value[0] - begin[1][0] >= least:
            whole, parts, *squares = (now - then for now, then in zip(value, begin[1], strict=True))
            found.append(Window(begin[0], point, whole, max(parts, 0.0), *squares))
            begin = (point, value)
    return found


def _fell(before: Counters, now: Counters) -> bool:
    return any(n < b * (1 - 1e-9) for b, n in zip(before, now, strict=True))  # sums of floats are not exact


def judge(series: Sequence[Window], rule: Rule) -> Judged | None:
    """Whether the newest windows of a series are too high, and since which; None of an empty series.

    What is too high does not become the measure of what comes later, but a single outlier widens the spread.
    """
    usual: list[float] = []
    high: list[Window] = []
    recent: list[Window] = []  # since what was too high for a while is over
    for window in series:
        if window.cold:
            continue
        if len(usual) >= _AT_LEAST and _too_high(window.share, usual, rule):
            high.append(window)
            continue
        if len(high) == 1:
            insort(usual, high[0].share)
        recent = [window] if len(high) > 1 else [*recent, *high, window]
        high = []
        insort(usual, window.share)
    if not series:
        return None
    before = statistics.median(usual) if usual else None
    lasting = len(high) > 1 or (bool(high) and before is not None and _alone(high[0], before, rule))
    newest = high if lasting else [*recent, *high][-_AT_LEAST:] or series[-_AT_LEAST:]
    now = sum(w.parts for w in newest) / sum(w.whole for w in newest)
    return Judged(before, now, len(series), high[0] if lasting else None)


def _alone(window: Window, before: float, rule: Rule) -> bool:
    """Whether one window is enough."""
    return window.share >= rule.huge * before and window.far_from(before)


def _too_high(share: float, usual: Sequence[float], rule: Rule) -> bool:
    middle = statistics.median(usual)
    if share < rule.factor * middle or share < middle + rule.least:
        return False
    spread = statistics.median(abs(u - middle) for u in usual)
    return share >= middle + _SPREADS * 1.4826 * spread
