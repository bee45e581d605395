"""Queries that sample values for a statement's parameters from the columns that they are compared with.

The statement's own FROM and those of its conditions that hold no parameter are kept, so that the values of several
parameters belong together and are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pgrunbook.sqlfile import quoted

Test = Literal["equal", "lower", "upper", "like", "other"]
SETS = 3
_SEVERAL = 5  # values of an array
_PART = {  # of the values below: where a range begins or ends, for common and for rare
    ("lower", False): (0.9, 0.999),
    ("upper", False): (0.1, 0.001),
    ("lower", True): (0.45, 0.499),
    ("upper", True): (0.55, 0.501),
}
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_TEXTS = ("text", "character varying", "citext", "name")


@dataclass(frozen=True, slots=True)
class Compared:
    """A parameter and the expression over one table's columns that it is compared with.

    `item` counts the parameters of an IN list, `array` says that the parameter holds many values, `alias` is the
    table's name in the statement, `scope` the SELECT that the expression stands in, 0 for the outermost.
    """

    number: int
    tested: str
    test: Test
    alias: str
    scope: int
    item: int = 0
    array: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where a group of parameters is sampled: a FROM list and conditions, as SQL."""

    tables: str
    conditions: tuple[str, ...]
    parameters: tuple[Compared, ...]


def queries(
    sources: Sequence[Source], names: Mapping[int, str], types: Mapping[int, str], fixed: Mapping[str, str]
) -> dict[str, str]:
    """The sampling queries by class (common, rare, absent); `fixed` are values, as SQL, that no column tells."""
    values = [_column(sql, name) for name, sql in fixed.items()]
    found: dict[str, str] = {}
    for kind in ("common", "rare", "absent") if sources else ():
        if len(sources) == 1:
            sql = _query(sources[0], names, types, kind, values)
        else:
            # one row of each further table, so that the values do not multiply
            parts = [_query(one, names, types, kind, sets=1 if n else SETS) for n, one in enumerate(sources)]
            sql = _together(parts, values)
        if sql not in found.values():
            found[kind] = sql
    return found or ({"common": f"select {', '.join(values)}\n"} if values else {})


def _column(sql: str, name: str) -> str:
    return sql if sql == quoted(name) else f"{sql} as {quoted(name)}"


def _together(parts: Sequence[str], values: Sequence[str]) -> str:
    shown = [f"part_{n}.*" for n in range(1, len(parts) + 1)]
    inside = [f"(\n{_indented(part)}\n) as part_{n}" for n, part in enumerate(parts, 1)]
    return f"select {', '.join([*shown, *values])}\nfrom " + "\ncross join ".join(inside) + "\n"


def _query(
    source: Source,
    names: Mapping[int, str],
    types: Mapping[int, str],
    kind: str,
    values: Sequence[str] = (),
    sets: int = SETS,
) -> str:
    keys = [c for c in source.parameters if c.test in ("equal", "like") and not c.item and not c.array]
    missing = next((c for c in source.parameters if _absent(c, types)), None) if kind == "absent" else None
    if kind == "absent" and missing is None:
        return _query(source, names, types, "common", values, sets)
    ranges = {(c.tested, c.test) for c in source.parameters}
    columns: list[str] = []
    grouped: list[str] = []
    aggregated = False
    for one in source.parameters:
        if one is missing:
            sql = _absent(one, types)
            aggregated |= "min(" in sql
        elif one in keys:
            sql = one.tested if one.test == "equal" else f"left({one.tested}::text, 4) || '%'"
            grouped.append(str(len(columns) + 1))
        elif one.array or one.test == "equal":
            sql = _single(source, one, kind)
        else:
            sql, aggregated = _aggregate(one, ranges, rare=kind == "rare"), True
        columns.append(_column(sql, names[one.number]))
    columns += values
    if not grouped and not aggregated:
        return f"select {', '.join(columns)}\n"
    conditions = [*source.conditions, *(f"{c.tested} is not null" for c in keys)]
    lines = [f"select {', '.join(columns)}", f"from {source.tables}"]
    lines += [f"{'    and' if n else 'where'} {c}" for n, c in enumerate(dict.fromkeys(conditions))]
    if grouped:
        order = ["count(*)" if kind == "rare" else "count(*) desc", *grouped]
        lines += [f"group by {', '.join(grouped)}", f"order by {', '.join(order)}"]
        lines.append(f"limit {1 if kind == 'absent' else sets}")
    else:
        lines.append("having count(*) > 0")
    return "\n".join(lines) + "\n"


def _aggregate(one: Compared, ranges: set[tuple[str, Test]], *, rare: bool) -> str:
    if one.test == "other":
        return f"min({one.tested})"
    both = {(one.tested, "lower"), (one.tested, "upper")} <= ranges
    part = _PART[one.test, both][rare]
    return f"percentile_disc({part}) within group (order by {one.tested})"


def _single(source: Source, one: Compared, kind: str) -> str:
    """A value of its own: a further one of an IN list, or the many of an array."""
    where = " and ".join([*source.conditions, f"{one.tested} is not null"])
    order = "count(*)" if kind == "rare" else "count(*) desc"
    chosen = f"select {one.tested} as v from {source.tables} where {where} group by 1 order by {order}, 1"  # noqa: S608
    if one.array:
        return f"(select array_agg(s.v)::text from ({chosen} limit {_SEVERAL}) as s)"  # noqa: S608
    return f"({chosen} offset {one.item} limit 1)"


def _absent(one: Compared, types: Mapping[int, str]) -> str:
    """A value that no row has, as SQL; empty where none is known (a boolean, an enum) or looked for."""
    if one.test != "equal" or one.item:
        return ""
    sql = ""
    kind = types[one.number].removesuffix("[]").partition("(")[0]
    if kind == "uuid":
        sql = "'00000000-0000-0000-0000-000000000000'"
    elif kind in _TEXTS:
        sql = "'~ not there'"
    elif kind in _NUMBERS or kind == "date":
        sql = f"min({one.tested}) - 1"
    elif kind.startswith("timestamp"):
        sql = f"min({one.tested}) - interval '1 day'"
    if not sql:
        return ""
    return f"array[{sql}]::text" if one.array else sql


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
