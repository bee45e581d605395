"""The picture of a course: times and sizes over time, with what broke the counters and what changed marked; SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from pgrunbook.measure.chart import BEFORE, GRID, HALO, INK
from pgrunbook.monitor.compare import QueryCourse, TableCourse
from pgrunbook.monitor.course import Course, Mark

_LEFT, _WIDTH, _RIGHT, _HEIGHT, _TOP, _GAP = 70, 500, 230, 190, 26, 58
_COLOURS = ("#1f6feb", "#bc4c00", "#1a7f37", "#8250df", "#cf222e", "#57606a")
_NAME = 30
_MARKS = 60
_BAD = "#cf222e"


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    values: Sequence[tuple[datetime, float]]
    changed: datetime | None


@dataclass(frozen=True, slots=True)
class _Panel:
    """A scale of time and one of values, logarithmic, with the corner at the top left."""

    top: float
    begin: datetime
    seconds: float
    low: int
    decades: int

    def x(self, at: datetime) -> float:
        return _LEFT + _WIDTH * (at - self.begin).total_seconds() / self.seconds

    def y(self, value: float) -> float:
        exponent = math.log10(value) - self.low if value > 0 else 0.0
        return self.top + _HEIGHT * (1 - min(max(exponent, 0.0), self.decades) / self.decades)


def draw(course: Course, times: Sequence[QueryCourse], tables: Sequence[TableCourse]) -> str:
    """Mean times above, sizes below: what changed first, then what costs most."""
    queries = [_time_line(t) for t in sorted(times, key=lambda t: (t.changed is None, not t.own, -_spent(t)))]
    sizes = [_size_line(course, t) for t in sorted(tables, key=lambda t: (t.since is None, -t.now))]
    begin, end = min(p.at for p in course.points), max(p.at for p in course.points)  # a clock may be set back
    seconds = max((end - begin).total_seconds(), 1.0)
    second_top = _TOP + _HEIGHT + _GAP
    height = second_top + _HEIGHT + 64
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" role="img" '
        f'style="max-width:800px;background:#fff" font-family="system-ui,sans-serif" font-size="12" fill="{INK}">',
        "<title>Mean time of statements in milliseconds and sizes of tables in MB, over time</title>",
        *_panel("mean time of a call", queries[: len(_COLOURS)], _TOP, begin, seconds, course.marks, " ms"),
        *_panel("size", sizes[: len(_COLOURS)], second_top, begin, seconds, course.marks, " MB"),
        f'<text x="{_LEFT}" y="{height - 26}" fill="#57606a">dashed: {_explained(course.marks)}</text>',
        f'<text x="{_LEFT}" y="{height - 8}" fill="#57606a">ring: since when it is amiss; logarithmic; '
        f"{course.snapshots:,} snapshots</text></svg>",
    ]
    return "".join(parts)


def _spent(query: QueryCourse) -> float:
    return sum(w.parts for w in query.windows)


def _time_line(query: QueryCourse) -> _Line:
    changed = query.changed.until.at if query.changed else None
    return _Line(query.name, [(w.until.at, w.share) for w in query.windows], changed)


def _size_line(course: Course, table: TableCourse) -> _Line:
    sizes = [(p.at, t.bytes) for p in course.points if (t := p.tables.get(table.name))]
    known = [(at, size / 2**20) for at, size in sizes if size]
    return _Line(table.name, known, table.since.at if table.since else None)


def _panel(
    title: str, lines: Sequence[_Line], top: float, begin: datetime, seconds: float, marks: Sequence[Mark], unit: str
) -> Iterator[str]:
    values = [v for line in lines for _, v in line.values if v > 0] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    panel = _Panel(top, begin, seconds, low, max(high - low, 1))
    yield f'<text x="{_LEFT}" y="{top - 10}" font-weight="600">{title}</text>'
    for decade in range(panel.decades + 1):
        y = panel.y(10.0 ** (low + decade))
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDTH}" y2="{y:.1f}" stroke="{GRID}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** (low + decade):g}{unit}</text>'
    for at, words in _ticks(begin, seconds):
        yield f'<text x="{panel.x(at):.1f}" y="{top + _HEIGHT + 16}" text-anchor="middle">{words}</text>'
    for mark in marks[-_MARKS:]:
        x = panel.x(mark.at)
        yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + _HEIGHT}" stroke="{BEFORE}" '
        yield f'stroke-dasharray="4 3"><title>{escape(mark.what)}, {mark.at:%Y-%m-%d %H:%M} UTC</title></line>'
    for number, line in enumerate(lines):
        colour = _COLOURS[number]
        yield _drawn(panel, line, colour)
        yield from _ring(panel, line)
        y = top + 8 + 18 * number
        x = _LEFT + _WIDTH + 14
        yield f'<rect x="{x}" y="{y - 8}" width="10" height="10" fill="{colour}"/>'
        yield f'<text x="{x + 16}" y="{y + 1}">{escape(_cut(line.name))}</text>'
    if not lines:
        yield f'<text x="{_LEFT + 12}" y="{top + 24}" {HALO}>nothing is known yet</text>'


def _drawn(panel: _Panel, line: _Line, colour: str) -> str:
    if len(line.values) == 1:
        ((at, value),) = line.values
        return f'<circle cx="{panel.x(at):.1f}" cy="{panel.y(value):.1f}" r="3" fill="{colour}"/>'
    points = " ".join(f"{panel.x(at):.1f},{panel.y(value):.1f}" for at, value in line.values)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-linejoin="round"/>'


def _ring(panel: _Panel, line: _Line) -> Iterator[str]:
    """Where a change began."""
    if line.changed is None:
        return
    value = next((v for at, v in line.values if at >= line.changed), None)
    if value is not None:
        x, y = panel.x(line.changed), panel.y(value)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" stroke="{_BAD}" stroke-width="2"/>'


def _ticks(begin: datetime, seconds: float) -> list[tuple[datetime, str]]:
    """Five moments, told as finely as the whole is long."""
    words: Callable[[datetime], str]
    if seconds < 2 * 86_400:
        words = "{:%d %b %H:%M}".format
    else:
        words = "{:%d %b %Y}".format if seconds > 300 * 86_400 else "{:%d %b}".format
    moments = [begin + timedelta(seconds=seconds * n / 4) for n in range(5)]
    return [(at, words(at)) for at in moments]


def _explained(marks: Sequence[Mark]) -> str:
    """What the dashed lines stand for."""
    return ", ".join(dict.fromkeys(m.what for m in marks)) or "no restart, no reset"


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
