"""The order of an index's columns: which make sense, and which of them is best, as measured on a copy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

from pgrunbook.audit import what_if
from pgrunbook.audit.what_if import Ask, Planned
from pgrunbook.db import Database
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted

_TIE = 1.02  # buffers repeat but for a page or two of the index itself
_MOST_ORDERS = 6
_EQUAL = ("eq", "in", "null", "true", "false")
_RANGES = ("range", "like", "prefix")


@dataclass(frozen=True, slots=True)
class Order:
    """One order of an index's columns, each as it stands in CREATE INDEX: `created_at desc`."""

    columns: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.columns)

    def ddl(self, relation: str) -> str:
        """The CREATE INDEX of it; `relation` is the table's quoted name."""
        return f"create index on {relation} ({self})"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with what was measured: buffers a call, weighted over the statements, and how many read the index."""

    rank: int
    columns: str
    index: str
    buffers: float
    served: int
    bytes: int
    build_seconds: float
    note: str = ""


def orders(predicates: Sequence[Mapping[str, Any]], relation: int) -> tuple[Order, ...]:
    """The orders in which an index of one table could have the columns that statements test together; six at most.

    Columns compared for equality come first, those of more statements before others, since a scan can go on behind
    them; then one that is a range, or one that gives the order. `predicates` are facts, of the statements in question.
    """
    own = [p for p in predicates if int(p["relation"]) == relation and not p.get("expression")]
    equal = _columns(p for p in own if p["op"] in _EQUAL and (p["op"] != "eq" or p.get("bound", True)))
    ranges = [c for c in _columns(p for p in own if p["op"] in _RANGES) if c not in equal]
    sorts = [c for c in _columns(p for p in own if p["op"] == "order") if c.removesuffix(" desc") not in equal]
    tails: list[tuple[str, ...]] = [(c,) for c in dict.fromkeys([*sorts[:1], *ranges])] or [()]
    tails = [t for t in tails if not t or f"{t[0]} desc" not in {s for s, *_ in tails}]
    heads = [(*h, *equal[3:]) for h in permutations(equal[:3])]
    found = dict.fromkeys(Order((*h, *t)) for h, t in product(heads, tails) if h or t)
    return tuple(found)[:_MOST_ORDERS]


def _columns(predicates: Iterable[Mapping[str, Any]]) -> list[str]:
    """Their columns, quoted; those that more statements test come first."""
    statements: dict[str, set[str]] = {}
    for p in sorted(predicates, key=lambda p: int(p.get("position") or 0)):
        name = quoted(p["name"]) + (" desc" if p["op"] == "order" and p.get("descending") else "")
        statements.setdefault(name, set()).add(str(p["id"]))
    return sorted(statements, key=lambda name: -len(statements[name]))


def best_order(
    clone: Database, relation: str, candidates: Sequence[Order], queries: Sequence[Query], *, timeout_s: float = 300
) -> list[Ranked]:
    """The candidates as they were measured on a copy, the best first: fewest buffers over values sampled there.

    Those as good as the best within two in a hundred are ranked by the statements that read the index, then by size.
    `relation` is the table's quoted name; `queries` name their parameters and sample them, as a runbook's do.
    """
    asks = what_if.sampled_asks(clone, queries, timeout_s)
    before = what_if.planned(clone, asks, timeout_s=timeout_s)
    found = [_measured(clone, one, relation, asks, before, timeout_s) for one in candidates]
    ranked: list[Ranked] = []
    left = sorted(found, key=lambda r: r.buffers)
    while left:
        ties = [r for r in left if r.buffers <= left[0].buffers * _TIE]
        ranked += sorted(ties, key=lambda r: (-r.served, r.bytes, r.buffers))
        left = left[len(ties) :]
    return [replace(r, rank=n) for n, r in enumerate(ranked, 1)]


def _measured(
    clone: Database, one: Order, relation: str, asks: Sequence[Ask], before: Sequence[Planned], timeout_s: float
) -> Ranked:
    rows = what_if.by_building(clone, one.ddl(relation), asks, before=before, timeout_s=timeout_s)
    known = [(a, r) for a, r in zip(asks, rows, strict=True) if r.buffers_after is not None]
    buffers = sum(a.weight * (r.buffers_after or 0) for a, r in known) / (sum(a.weight for a, _ in known) or 1)
    return Ranked(
        rank=0,
        columns=str(one),
        index=one.ddl(relation),
        buffers=buffers if known else float("inf"),
        served=len({r.query for r in rows if r.used}),
        bytes=next((r.bytes for r in rows if r.bytes is not None), 0),
        build_seconds=next((r.build_seconds for r in rows if r.build_seconds is not None), 0.0),
        note="; ".join(dict.fromkeys(r.note for r in rows if r.note)),
    )
