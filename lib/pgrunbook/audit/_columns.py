"""The look-up: the columns that a parsed statement names, followed through sub-queries, CTEs and views to tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pgrunbook.audit._scopes import ANYTHING, FILTERS, ColumnTest, Output, Parsed, Query, Ref, Source

_SYSTEM_COLUMNS = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
_TEXT = {"text", "varchar"}
_PLACES = ("order", "group", "distinct")


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or a view with its parsed definition. `system`: the server's own, an extension's or the ledger's."""

    oid: int
    name: str
    system: bool
    columns: Mapping[str, tuple[int, str]] = field(repr=False)
    view: Parsed | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """All functions of one name: whether one is an aggregate, and whether an index may hold a call of any."""

    aggregate: bool
    immutable: bool


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the statements name; None for a relation that is not there, or that could be several."""

    relations: Mapping[tuple[str, str], Relation | None]
    functions: Mapping[str, Function]

    def relation(self, source: Source) -> Relation | None:
        return self.relations.get(source.table) if source.table else None


class Column(NamedTuple):
    """A column of a table, at one place of the statement: `place` leads through views to an entry of a FROM.

    `through` are the entries that it was followed through, the table itself first.
    """

    place: tuple[int, ...]
    relation: Relation
    name: str
    through: tuple[Source, ...]

    @property
    def number(self) -> int:
        return self.relation.columns[self.name][0]


class _Meaning(NamedTuple):
    """What a name means. `value`: of no table, a parameter's or a function's; `unknown`: of something not followed."""

    kind: Literal["column", "variable", "value", "unknown"]
    columns: tuple[Column, ...] = ()
    sealed: bool = False


_VARIABLE, _VALUE, _UNKNOWN = _Meaning("variable"), _Meaning("value"), _Meaning("unknown")


def predicates(statement: str, parsed: Parsed, catalog: Catalog) -> list[dict[str, Any]]:
    """The facts of a statement's tests.

    Beside what every lint reads: `occurrence` numbers the places of the statement that a table stands in, and
    `with_occurrence` that of the column joined with; `limited` is an order with a LIMIT behind it. Below an OR of
    several columns `op` is "other", `either` the OR's number, `branch` that of its branch, `within` what the test is by
    itself.
    """
    follower = _Follower(catalog)
    places: dict[tuple[int, ...], int] = {}
    eithers: dict[tuple[tuple[int, ...], int], int] = {}
    facts = []
    for path, test in _tests(parsed, catalog):
        meaning = follower.follow(test.ref, path)
        for column in meaning.columns:
            if column.relation.system:
                continue
            op, other = follower.op(test, test.op, column, meaning, path)
            if not op:
                continue
            fact = {
                "id": statement, "relation": column.relation.oid, "column": column.number, "name": column.name,
                "op": op, "position": test.position, "descending": test.descending, "expression": test.expression,
                "with_relation": other and other.relation.oid, "with_column": other and other.number,
                "bound": op in FILTERS or op == "like",
                "occurrence": places.setdefault(column.place, len(places) + 1),
            }  # fmt: skip
            if other:
                fact["with_occurrence"] = places.setdefault(other.place, len(places) + 1)
            if test.limited:
                fact["limited"] = True
            if test.either:
                fact["either"] = eithers.setdefault((path, test.either), len(eithers) + 1)
                fact["branch"] = test.branch
                fact["within"] = follower.op(test, test.within, column, meaning, path)[0]
            facts.append(fact)
    return facts


def shape(parsed: Parsed, catalog: Catalog) -> dict[str, Any]:
    """The facts of a statement as a whole."""
    read = {r.oid: None for r in _relations(parsed, catalog) if not r.system}
    query, target = parsed.query, catalog.relation(parsed.target) if parsed.target else None
    names = target.columns if target else {}
    return {
        "relations": list(read),
        "writes": target.oid if target and not target.system else None,
        "sets": sorted({names[name][0] for name in parsed.sets if name in names}),
        "star": parsed.kind == "select" and query is not None and _star(query),
        "limited": query is not None and _limited(query),
        "offset": parsed.offset,
        "aggregate": query is not None and _aggregate(query, catalog),
        "distinct": query is not None and query.distinct,
        "ordered": parsed.ordered,
        "locking": parsed.locking,
    }


def simple(parsed: Parsed, shape: Mapping[str, Any], facts: Iterable[Mapping[str, Any]], catalog: Catalog) -> bool:
    """Whether the rows that a statement returned or changed are all that its tests leave of its one table."""
    if parsed.kind not in ("select", "update", "delete") or parsed.fetched or len(parsed.sources) != 1:
        return False
    relation = catalog.relation(parsed.sources[0])
    whole = not (shape["limited"] or shape["offset"] or shape["aggregate"] or shape["distinct"])
    return (
        relation is not None
        and relation.view is None
        and whole
        and all((f["bound"] and f["op"] != "like") or f["op"] in _PLACES for f in facts)
    )


def unknown(parsed: Parsed, catalog: Catalog) -> set[tuple[str, str]]:
    """The names of relations that were not found."""
    return {s.table for s in parsed.sources if s.table and not catalog.relation(s)}


def _relations(parsed: Parsed, catalog: Catalog) -> Iterator[Relation]:
    """The tables of a statement, below its views."""
    for source in parsed.sources:
        relation = catalog.relation(source)
        if relation and relation.view:
            yield from _relations(relation.view, catalog)
        elif relation:
            yield relation


def _tests(
    parsed: Parsed, catalog: Catalog, path: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], ColumnTest]]:
    """The tests of a statement and of the views that it reads."""
    for test in parsed.tests:
        yield path, test
    for source in parsed.sources:
        relation = catalog.relation(source)
        if relation and relation.view:
            yield from _tests(relation.view, catalog, (*path, id(source)))


class _Follower:
    """Follows names through one statement."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def op(
        self, test: ColumnTest, op: str, column: Column, meaning: _Meaning, path: tuple[int, ...]
    ) -> tuple[str, Column | None]:
        """What a test of a column comes to, "" for nothing, and the column that it is joined with."""
        immutable = all(f in self._catalog.functions and self._catalog.functions[f].immutable for f in test.functions)
        if op in _PLACES:
            return (op if immutable and not meaning.sealed else ""), None
        other: Column | None = None
        if test.others or test.unknown:
            meanings = [self.follow(ref, path) for ref in test.others]
            kinds = {m.kind for m in meanings} | ({"unknown"} if test.unknown else set())
            if "column" in kinds:
                other = meanings[0].columns[0] if test.plain and len(meanings[0].columns) == 1 else None
                op = "join" if op == "eq" and other and other.place != column.place else "other"
            elif "unknown" in kinds:
                op = "join" if op == "eq" else "other"
            elif "value" in kinds and op == "eq":
                op = "in"
        cast = test.ref.cast
        if cast and not (test.expression or cast == column.relation.columns[column.name][1]):
            immutable &= cast in _TEXT and column.relation.columns[column.name][1] in _TEXT
        lost = op == "null" and any(source.nullable for source in column.through)
        kept = any(source in test.preserved for source in column.through)
        if meaning.sealed or not immutable or lost or kept:
            op = "other"
        return op, other

    def follow(self, ref: Ref, path: tuple[int, ...]) -> _Meaning:
        """What a name means where it stands: first in its own FROM, then in those around it."""
        for level in ref.levels:
            if ref.qualifier:
                for source in level:
                    if _named(source, ref.qualifier):
                        return self._of(source, ref.name, path) or _UNKNOWN
                continue
            found = [m for m in (self._of(source, ref.name, path) for source in level) if m]
            found.sort(key=lambda m: m.kind != "column")
            if found:
                return found[0]
            if any(source.alias == ref.name for source in level):
                return _UNKNOWN  # a whole row
        return _VARIABLE

    def _of(self, source: Source, name: str, path: tuple[int, ...]) -> _Meaning | None:
        """What a column of a source is; None if it has none of that name."""
        if source.query:
            place = source.columns.index(name) if name in source.columns else name
            return _through(source, self._output(source.query, place, path))
        if not source.table:
            if ANYTHING not in source.columns:
                return _UNKNOWN
            return _VALUE
        relation = self._catalog.relation(source)
        if not relation or name in _SYSTEM_COLUMNS:
            return _UNKNOWN
        if name in source.columns:
            position = source.columns.index(name)
            name = list(relation.columns)[position] if position < len(relation.columns) else name
        if name not in relation.columns:
            return None
        if relation.view:
            if not relation.view.query:
                return _UNKNOWN
            return _through(source, self._output(relation.view.query, name, (*path, id(source)))) or _UNKNOWN
        return _Meaning("column", (Column((*path, id(source)), relation, name, (source,)),))

    def _output(self, query: Query, name: str | int, path: tuple[int, ...]) -> _Meaning | None:
        """What an output of a query is, by its name or place."""
        if query.branches:
            if isinstance(name, str):
                places = [n for n, output in enumerate(query.branches[0].outputs) if output.name == name]
                name = places[0] if places else name
            meanings = [m for m in (self._output(branch, name, path) for branch in query.branches) if m]
            columns = tuple(c for m in meanings for c in m.columns)
            sealed = query.sealed or any(m.sealed for m in meanings)
            followed = meanings and all(m.kind == "column" for m in meanings)
            return _Meaning("column", columns, sealed) if followed else _UNKNOWN
        if not query.has_tables:
            return _VALUE
        sealed = query.sealed or query.uses > 1
        if isinstance(name, int):
            if any(output.star is not None for output in query.outputs) or name >= len(query.outputs):
                return _UNKNOWN
            return self._seal(query.outputs[name], path, sealed=sealed)
        for output in query.outputs:
            if output.star is not None:
                for source in query.sources:
                    if (not output.star or _named(source, output.star)) and (m := self._of(source, name, path)):
                        return m._replace(sealed=m.sealed or sealed or not output.passes)
            elif output.name == name:
                return self._seal(output, path, sealed=sealed)
        return None

    def _seal(self, output: Output, path: tuple[int, ...], *, sealed: bool) -> _Meaning:
        if output.ref is None:
            return _UNKNOWN
        meaning = self.follow(output.ref, path)
        return meaning._replace(sealed=meaning.sealed or sealed or not output.passes)


def _through(source: Source, meaning: _Meaning | None) -> _Meaning | None:
    """A meaning found below a sub-query or view."""
    if not meaning or not meaning.columns:
        return meaning
    return meaning._replace(columns=tuple(c._replace(through=(*c.through, source)) for c in meaning.columns))


def _named(source: Source, qualifier: tuple[str, ...]) -> bool:
    """Whether a qualifier, a name or schema and name, means this source."""
    if source.alias != qualifier[-1]:
        return False
    return len(qualifier) == 1 or (source.table is not None and source.table[0] in ("", qualifier[-2]))


def _star(query: Query) -> bool:
    """Whether a query's answer has all columns of a table because it says `*`."""
    return any(
        source.table or (source.query and _star(source.query))
        for output in query.outputs
        if output.star is not None
        for source in query.sources
        if not output.star or _named(source, output.star)
    ) or any(map(_star, query.branches))


def _limited(query: Query) -> bool:
    """Whether a LIMIT bounds the answer: its own, or that of the sub-query that the FROM begins with."""
    first = query.sources[0].query if query.sources else None
    return query.limited or (first is not None and _limited(first))


def _aggregate(query: Query, catalog: Catalog) -> bool:
    """Whether the answer is one row, or a row for each group."""
    if query.branches:
        return all(_aggregate(branch, catalog) for branch in query.branches)
    if query.grouped or any(n in catalog.functions and catalog.functions[n].aggregate for n in query.functions):
        return True
    only = query.sources[0].query if len(query.sources) == 1 else None
    return only is not None and _aggregate(only, catalog)
