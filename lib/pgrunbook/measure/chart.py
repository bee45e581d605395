"""The picture of before and after."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from pgrunbook.measure.compare import QuerySummary

_BEFORE, _AFTER = "#9aa5b1", "#1f6feb"


def before_and_after(rows: Sequence[QuerySummary]) -> Figure:
    """Median times in ms, two bars a query, logarithmic; the factor stands at the end of the second."""
    figure = Figure(figsize=(8, 0.9 + 0.62 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    places = list(range(len(rows)))[::-1]
    axes.barh([p + 0.19 for p in places], [r.before_ms for r in rows], height=0.36, color=_BEFORE, label="before")
    axes.barh([p - 0.19 for p in places], [r.after_ms for r in rows], height=0.36, color=_AFTER, label="after")
    for place, row in zip(places, rows, strict=True):
        axes.annotate(
            f"{row.after_ms:,.2f} ms, {row.factor:.1f}×",
            (row.after_ms, place - 0.19), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
        axes.annotate(
            f"{row.before_ms:,.2f} ms",
            (row.before_ms, place + 0.19), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(places, [r.query for r in rows])
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.set_xlabel("median time in ms (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)
    return figure
