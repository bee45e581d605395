"""The picture of before and after, as SVG: sharp on paper, and no plotting library to load for two bars a query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from pgrunbook.measure.compare import QuerySummary

BEFORE, AFTER, INK, GRID = "#9aa5b1", "#1f6feb", "#24292f", "#d0d7de"
LEFT, WIDTH, RIGHT, ROW, BAR, TOP = 190, 420, 190, 46, 15, 34
HALO = 'stroke="#fff" stroke-width="3" stroke-linejoin="round" paint-order="stroke"'


def before_and_after(rows: Sequence[QuerySummary]) -> str:
    """Median times in ms on a logarithmic axis, two bars a query, behind the second one the factors; SVG.

    The factors of a query's bind values may lie on both sides of 1 while the medians say one thing: both ends are told.
    """
    values = [v for r in rows for v in (r.before_ms, r.after_ms) if v > 0] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    decades = max(high - low, 1)

    def length(value: float) -> float:
        return max(WIDTH * (math.log10(value) - low) / decades, 2) if value > 0 else 2

    height = TOP + ROW * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img" '
        f'style="max-width:800px;background:#fff" font-family="system-ui,sans-serif" font-size="12" fill="{INK}">',
        "<title>Median time of each query before and after, in milliseconds</title>",
        f'<rect x="{LEFT}" y="8" width="12" height="12" fill="{BEFORE}"/><text x="{LEFT + 18}" y="18">before</text>',
        f'<rect x="{LEFT + 80}" y="8" width="12" height="12" fill="{AFTER}"/><text x="{LEFT + 98}" y="18">after</text>',
    ]
    bottom = TOP + ROW * len(rows)
    for decade in range(decades + 1):
        x = LEFT + WIDTH * decade / decades
        parts.append(f'<line x1="{x:.0f}" y1="{TOP}" x2="{x:.0f}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{10.0 ** (low + decade):g} ms</text>')
    for number, row in enumerate(rows):
        y = TOP + ROW * number + 6
        name = escape(row.query)
        parts.append(f'<text x="{LEFT - 8}" y="{y + BAR + 5}" text-anchor="end">{name}</text>')
        for offset, value, colour, label in (
            (0, row.before_ms, BEFORE, f"{row.before_ms:,.2f} ms"),
            (BAR + 2, row.after_ms, AFTER, f"{row.after_ms:,.2f} ms, {_factors(row)}"),
        ):
            width = length(value)
            parts.append(f'<rect x="{LEFT}" y="{y + offset}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{LEFT + width + 5:.0f}" y="{y + offset + 12}" {HALO}>{label}</text>')
    parts.append(
        f'<text x="{LEFT}" y="{bottom + 34}" fill="#57606a">geometric means over the bind values, logarithmic; '
        "×: how many times faster, by bind value</text></svg>"
    )
    return "".join(parts)


def _factors(row: QuerySummary) -> str:
    """The factors of the slowest and of the fastest gain, once where they read the same."""
    ends = dict.fromkeys(f"{f:,.2f}" if f < 10 else f"{f:,.1f}" for f in (row.slowest_factor, row.fastest_factor))
    return f"{' to '.join(ends)}×"
