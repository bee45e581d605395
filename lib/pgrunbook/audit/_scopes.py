"""What a statement's text says about columns, before anybody knows which columns there are.

The parse (`_predicates`, `_conditions`) makes these, the look-up (`_columns`) follows them to tables. A name is kept
with the FROMs that it may mean, the innermost first: only the catalog tells whose column an unqualified name is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Levels = tuple[list["Source"], ...]
# the tests that an index can answer, where the other side is no column of a table
FILTERS = ("eq", "in", "range", "prefix", "null", "notnull", "true", "false")
ANYTHING = "*"  # among a source's columns: it may have others, whose values no table gives


@dataclass(slots=True, eq=False)
class Source:
    """One entry of a FROM: a table (its schema, empty by the search path, and name), a sub-query, or neither.

    `columns` are those that the alias names. `nullable`: an outer join adds rows that are null here.
    """

    alias: str
    table: tuple[str, str] | None = None
    query: Query | None = None
    columns: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(slots=True, eq=False)
class Ref:
    """A column as it is written; `cast` is the type that it is cast to, empty for none."""

    levels: Levels
    qualifier: tuple[str, ...]
    name: str
    cast: str = ""

    @property
    def written(self) -> tuple[tuple[str, ...], str]:
        return self.qualifier, self.name


@dataclass(slots=True, eq=False)
class Output:
    """One column of a query's answer: where it comes from; `star` is the qualifier of a `*`.

    `passes` says whether a condition on it reaches the tables below.
    """

    name: str
    ref: Ref | None = None
    star: tuple[str, ...] | None = None
    passes: bool = True


@dataclass(slots=True, eq=False)
class Query:
    """One SELECT, or a statement that writes, with its FROM and the CTEs that it may name (None: can't be followed).

    `branches` are those of a set operation. `functions` are called in its answer, some may be aggregates. `sealed`: no
    condition from outside reaches its tables (a LIMIT, a window). `uses`: how often a CTE is read.
    """

    levels: Levels
    ctes: dict[str, Query | None]
    outputs: list[Output] = field(default_factory=list)
    branches: list[Query] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    grouped: bool = False
    distinct: bool = False
    sealed: bool = False
    limited: bool = False
    uses: int = 1

    @property
    def sources(self) -> list[Source]:
        return self.levels[0]

    @property
    def has_tables(self) -> bool:
        """Whether anything is read at all."""
        return any(s.table or s.query for s in self.sources) or any(b.has_tables for b in self.branches)


@dataclass(slots=True, eq=False)
class ColumnTest:
    """One test of one column, or its place in ORDER BY, GROUP BY, DISTINCT.

    `others` are the columns that it is compared with, `plain`: with one of them as it stands; `unknown`: with something
    that a table gives and that can't be followed. `expression` is over the column, by these `functions`. `preserved`
    are the sources whose rows stay whatever the test says (an outer join, NOT EXISTS).
    Below an OR of several columns `op` is "other" and `within` what it would be by itself; `either` is the OR's number
    and `branch` that of its branch, 0 where its branches can't be told apart.
    """

    ref: Ref
    op: str
    others: tuple[Ref, ...] = ()
    plain: bool = False
    unknown: bool = False
    expression: str = ""
    functions: tuple[str, ...] = ()
    position: int = 0
    descending: bool = False
    limited: bool = False
    preserved: tuple[Source, ...] = ()
    within: str = ""
    either: int = 0
    branch: int = 0


@dataclass(slots=True, eq=False)
class Parsed:
    """A statement: its outermost query (None for a utility), all its sources, and its tests.

    `internal`: a look-up of the server's own for a foreign key. `fetched`: by a cursor, whose rows count elsewhere.
    """

    kind: str
    query: Query | None = None
    sources: list[Source] = field(default_factory=list)
    tests: list[ColumnTest] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    target: Source | None = None
    sets: list[str] = field(default_factory=list)
    offset: bool = False
    ordered: bool = False
    locking: bool = False
    internal: bool = False
    fetched: bool = False

    def keep(self, start: int, sources: tuple[Source, ...]) -> None:
        """Say of the tests from `start` on that they take no row of these sources away."""
        for test in self.tests[start:]:
            test.preserved += sources
