"""The expensive statements: what each looks like, what the lints found in it, and how the time is shared among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pgrunbook.audit import LEVELS, Finding, lints
from pgrunbook.measure.chart import AFTER, BAR, BEFORE, GRID, HALO, INK, LEFT, RIGHT, TOP, WIDTH

_MOST = 30
_AT_LEAST = 0.01  # of the time: what is less, and has no finding, isn't expensive
_PIECES = 12
_RISKS = dict(zip(LEVELS, ("high", "medium", "low"), strict=True))
_TEXT, _NOTES = 200, 400
ROW = 24


@dataclass(frozen=True, slots=True)
class Pattern:
    """A statement that costs: how it works, the risk that the lints see in it, its figures and what to do."""

    query: str
    pattern: str
    risk: str
    calls: int
    mean_ms: float
    share_percent: float
    text: str
    notes: str


def patterns(statements: Iterable[Mapping[str, Any]], findings: Iterable[Finding]) -> list[Pattern]:
    """The statements that lints found and those that take at least 1 % of the time: at most thirty, gravest first."""
    found = _by_query(findings)
    rows = [s for s in statements if s["id"] in found or (s["share"] >= _AT_LEAST and s["kind"] != "other")]
    rows.sort(key=lambda s: (_rank(found.get(s["id"], ())), -s["share"], -s["ms"], s["id"]))
    return [_pattern(s, found.get(s["id"], ())) for s in rows[:_MOST]]


def shares(statements: Sequence[Mapping[str, Any]]) -> str:
    """The share of the time of all statements that each of the largest takes, and the rest as one piece; SVG."""
    largest = sorted(statements, key=lambda s: (-s["share"], s["id"]))[:_PIECES]
    rest = len(statements) - len(largest)
    rows = [(f"query {_short(s['id'])}", float(s["share"]), _measured(s), AFTER) for s in largest]
    if rest:
        others = max(1 - sum(s["share"] for s in largest), 0.0)
        rows.append((f"{rest:,} others", others, "", BEFORE))
    bottom = TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {bottom + 40}" role="img" '
        f'style="max-width:800px;background:#fff" font-family="system-ui,sans-serif" font-size="12" fill="{INK}">',
        "<title>Share of the execution time of all statements that each takes, in per cent</title>",
    ]
    longest = max([share for _, share, _, _ in rows], default=1.0) or 1.0
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.25) if step == 0.25 or longest / step <= 6)
    ticks = [step * n for n in range(int(longest / step + 1e-9) + 1)]
    for tick in ticks:
        x = LEFT + WIDTH * tick / longest
        parts.append(f'<line x1="{x:.0f}" y1="{TOP}" x2="{x:.0f}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{tick:.0%}</text>')
    for number, (name, share, told, colour) in enumerate(rows):
        y = TOP + ROW * number + 5
        width = max(WIDTH * share / longest, 2)
        label = f"{share:.1%}{', ' if told else ''}{told}"
        # a long bar holds its label, which would run out of the picture behind it
        inside = width > WIDTH / 2
        x, anchor = (LEFT + width - 5, ' text-anchor="end"') if inside else (LEFT + width + 5, "")
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')
        shade = 'fill="#fff"' if inside and colour == AFTER else HALO
        parts.append(f'<text x="{x:.0f}" y="{y + 12}"{anchor} {shade}>{escape(label)}</text>')
    parts.append(
        f'<text x="{LEFT}" y="{bottom + 34}" fill="#57606a">execution time by pg_stat_statements, calls × mean; '
        "what a function runs counts for both</text></svg>"
    )
    return "".join(parts)


def _by_query(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings of each statement, gravest first."""
    workload = {lint.name for lint in lints() if lint.about.group == "workload"}
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.lint in workload:
            found.setdefault(finding.object.removeprefix("query "), []).append(finding)
    for own in found.values():
        own.sort(key=lambda f: (LEVELS.index(f.level), f.lint))
    return found


def _rank(found: Sequence[Finding]) -> int:
    return LEVELS.index(found[0].level) if found else len(LEVELS)


def _pattern(statement: Mapping[str, Any], found: Sequence[Finding]) -> Pattern:
    titles = {lint.name: lint.about.title for lint in lints()}
    shape = _shape(statement)
    calls = max(statement["calls"], 1)
    read = f"{statement['rows'] / calls:,.0f} rows and {statement['blocks'] / calls:,.0f} blocks a call"
    advice = "; ".join(dict.fromkeys(f.advice for f in found if f.advice))
    return Pattern(
        query=statement["id"],
        pattern=f"{'; '.join(titles[f.lint] for f in found)}: {shape}" if found else shape,
        risk=_RISKS[found[0].level] if found else "none found",
        calls=statement["calls"],
        mean_ms=float(statement["mean_ms"]),
        share_percent=100 * float(statement["share"]),
        text=_cut(str(statement["text"]), _TEXT),
        notes=_cut(f"{read}; {advice}" if advice else read, _NOTES),
    )


def _shape(statement: Mapping[str, Any]) -> str:
    """How a statement works, in words.

    >>> select = {"parsed": True, "kind": "select", "relations": [1, 2], "aggregate": False, "limited": True}
    >>> _shape({**select, "offset": False, "locking": False, "ordered": True, "star": True})
    'select *, with LIMIT, ordered, over 2 tables'
    """
    if not statement["parsed"] or statement["kind"] == "other":
        return "not parsed" if not statement["parsed"] else "utility statement"
    words = [statement["kind"] + (" *" if statement["star"] else "")]
    for name, word in (
        ("aggregate", "aggregate"),
        ("limited", "with LIMIT"),
        ("offset", "with OFFSET"),
        ("ordered", "ordered"),
        ("locking", "locking rows"),
    ):
        words += [word] if statement[name] else []
    if len(statement["relations"]) > 1:
        words.append(f"over {len(statement['relations'])} tables")
    return ", ".join(words)


def _measured(statement: Mapping[str, Any]) -> str:
    return f"{statement['calls']:,} × {statement['mean_ms']:,.2f} ms"


def _short(query: str) -> str:
    """A queryid has up to twenty characters; the last ones tell them apart in a picture as well."""
    return query if len(query) <= 20 else f"…{query[-18:]}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
