"""A database that is made up from a seed: tables, what is wrong with them on purpose, and what only looks wrong.

Written from the contract of the lints and from PostgreSQL's documentation, without a look at the lints. Everything
is real: rows, statistics, statements that were run, builds that failed. The truth is a set of objects for each lint.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgrunbook.sqlfile import quoted

SPARE = 20  # the last rows of a parent are referenced by none, so they can be deleted
TINY, SMALL, BIG = (200, 800), (1_600, 3_000), (12_000, 13_000)

_WORDS = re.findall(
    r"\w+",
    """
    account address amount answer article asset audit badge basket batch board booking branch budget campaign card cart case
    channel claim client comment contact contract course customer deal delivery device document domain draft
    employee entry event export feed file folder form friend grade guest hotel image import invite invoice item job journey
    label lead lesson level licence link listing member merge message metric movie notice offer option page parcel payment
    permit person photo plan player poll post price product profile project quote rating reading receipt record region
    release report request review reward room route sample seat segment sensor shift shipment signal site slot snapshot
    stage station stock store subject survey team ticket token topic track transfer trial trip unit upload vendor visit
    voucher wallet wave webhook widget worker zone
    """,
)
_COLUMNS = (
    "status",
    "state",
    "kind",
    "owner",
    "token",
    "code",
    "amount",
    "note",
    "Name",
    "user",
    "order",
    "at",
    "Größe",
)
_STRANGE = (
    "Order",
    "Straße",
    "заказы",
    "日志",
    "user",
    "select",
    "group",
    "line items",
    'say "hi"',
    "50%",
    "a.b",
    "x (y)",
    "a: b",
    "Größe in m²",
    "it's",
    "back\\slash",
    "2nd",
    "%s",
    "%(name)s",
    "été",
    "UPPER",
    "a,b",
    "$1",
    "{}",
    "long name that goes on until it has nearly all sixty",
)


class Names:
    """Names that differ; now and then one that has to be quoted."""

    def __init__(self, rng: random.Random, strange: float) -> None:
        self._rng, self._strange = rng, strange
        self._used: set[str] = set()

    def new(self, *stem: str) -> str:
        """A name that was not given before; from the stem where there is one."""
        for number in range(1, 10_000):
            if not stem and self._rng.random() < self._strange:
                name = self._rng.choice(_STRANGE)
            else:
                name = "_".join(stem) or self._rng.choice(_WORDS)
            name = name.encode()[:52].decode(errors="ignore")
            if number > 3 or name in self._used:
                name = f"{name}{'_' if name.isidentifier() else ' '}{number}"
            if name not in self._used:
                self._used.add(name)
                return name
        raise AssertionError("no name is left")

    def column(self, taken: Iterable[str]) -> str:
        """A name for a column: one that other tables have too, or a new one."""
        taken = set(taken)
        free = [name for name in _COLUMNS if name not in taken]
        if free and self._rng.random() < 0.5:
            return self._rng.choice(free)
        return next(name for name in iter(self.new, "") if name not in taken)


@dataclass(eq=False)
class Column:
    """A column: its type, and the expression over `i` that fills it."""

    name: str
    type: str
    value: str
    more: str = ""  # not null, unique, default …

    @property
    def sql(self) -> str:
        return quoted(self.name)


@dataclass(eq=False)
class Table:
    """A table with a primary key `key` that counts from 1; `partitions` is "", "hash" or "range", always by the key."""

    world: World
    schema: str
    name: str
    rows: int
    key: Column
    partitions: str = ""
    columns: list[Column] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    options: str = ""
    unlogged: bool = False
    also_key: Column | None = None  # the primary key's second column
    parts: list[str] = field(default_factory=list)
    analysed: bool = True
    has_gap: bool = False  # a column before all others was dropped
    is_odd: bool = False  # the last partition has its columns in another order

    def __post_init__(self) -> None:
        self.has_gap, self.is_odd = self.world.rng.random() < 0.2, self.world.rng.random() < 0.4
        stems = [f"p{number}" for number in range(3 if self.partitions else 0)]
        self.parts = [quoted(self.schema, self.world.names.new(self.name, stem)) for stem in stems]

    @property
    def sql(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def alias(self) -> str:
        """An alias that no other table has: from 18 a statement's id is made of its aliases, not of the tables."""
        return f"t{self.world.tables.index(self)}"

    def column(self, type: str, value: str, more: str = "", name: str = "") -> Column:  # noqa: A002
        """Add a column."""
        taken = {self.key.name, *(c.name for c in self.columns)}
        column = Column(name or self.world.names.column(taken), type, value, more)
        self.columns.append(column)
        return column

    def number(self, distinct: int = 0, more: str = "") -> Column:
        """A column of integers; `distinct` is how many different ones there are, by default nearly all."""
        value = f"1 + i % {distinct}" if distinct else f"(i * 7919::bigint) % {10 * self.rows + 7}"
        return self.column(self.world.rng.choice(("int", "bigint")), value, more)

    def text(self, distinct: int = 0) -> Column:
        """A column of short texts."""
        return self.column(self.world.rng.choice(("text", "varchar(80)")), f"md5(({_spread(distinct)})::text)")

    def time(self) -> Column:
        """A column of times that the rows follow, over more than a year: such a table hardly grows."""
        return self.column("timestamptz", f"now() - interval '500 days' * (1 - i / {self.rows}.0)")

    def null(self, share: float) -> Column:
        """A column of different numbers, NULL in this share of the rows."""
        return self.column("bigint", f"case when i % 100 >= {round(share * 100)} then i * 3 end")

    def index(self, *keys: Column | str, name: str = "", **more: Any) -> Index:
        """Add an index over columns or expressions; it will be read once unless `read` is False."""
        texts = [key.sql if isinstance(key, Column) else key for key in keys]
        index = Index(self, name or self.world.index_name(self), texts, **more)
        self.world.indexes.append(index)
        return index

    def references(self, parent: Table, *, more: str = "", share: float = 1.0) -> Column:
        """A column with a foreign key to another table's primary key; NULL where `share` is less than 1."""
        value = f"1 + i % {max(parent.rows - SPARE, 1)}"
        parent.unlogged = False  # a permanent table may not reference one
        if share < 1:
            value = f"case when i % 100 < {round(share * 100)} then {value} end"
        column = self.column(parent.key.type, value)
        self.world.foreign.append(
            f"alter table {self.sql} add foreign key ({column.sql}) references {parent.sql} ({parent.key.sql}) {more}"
        )
        return column

    def of(self, *columns: Column) -> str:
        """The object of a finding on columns as a list: `schema.table (a, b)`."""
        return f"{self.sql} ({', '.join(column.sql for column in columns)})"

    def dot(self, column: Column) -> str:
        """The object of a finding on one column: `schema.table.column`."""
        return quoted(self.schema, self.name, column.name)

    def create(self) -> Iterable[str]:
        """The table with its rows."""
        gap = ['"dropped column" int'] if self.has_gap else []
        columns = [f"{c.sql} {c.type} {c.more}" for c in (self.key, *self.columns)]
        keys = [f"primary key ({', '.join(c.sql for c in (self.key, self.also_key) if c)})"]
        by = f"partition by {self.partitions} ({self.key.sql})" if self.partitions else self.options
        kind = "unlogged table" if self.unlogged and not self.partitions else "table"
        yield f"create {kind} {self.sql} ({', '.join([*gap, *columns, *keys, *self.constraints])}) {by}"
        if gap:
            yield f'alter table {self.sql} drop column "dropped column"'
        for number, part in enumerate(self.parts):
            bounds = f"with (modulus 3, remainder {number})"
            if self.partitions == "range":
                step = self.rows // 3 + 1
                last = "maxvalue" if number == 2 else 1 + step * (number + 1)
                bounds = f"from ({1 + step * number if number else 'minvalue'}) to ({last})"
            if self.is_odd and number == 2:
                own = [f"{c.sql} {c.type} {c.more or 'not null' * (c is self.key)}" for c in (*self.columns, self.key)]
                yield f"create table {part} ({', '.join(own)})"
                yield f"alter table {self.sql} attach partition {part} for values {bounds}"
            else:
                yield f"create table {part} partition of {self.sql} for values {bounds}"
        if self.rows:
            filled = [c for c in (self.key, *self.columns) if c.value]
            names, values = ", ".join(c.sql for c in filled), ", ".join(c.value for c in filled)
            # an identity is filled by hand, so that the rows are known
            over = "overriding system value" if "identity" in self.key.more else ""
            yield f"insert into {self.sql} ({names}) {over} select {values} from generate_series(1, {self.rows}) i"


@dataclass(eq=False)
class Index:
    """An index. `read` says whether it is to be read once, `by` how where an ordered scan is no way (not a btree),
    `only` for which rows."""

    table: Table
    name: str
    keys: Sequence[str]
    method: str = "btree"
    include: Sequence[Column] = ()
    where: str = ""
    unique: bool = False
    more: str = ""
    read: bool = True
    by: str = ""
    only: str = ""

    @property
    def sql(self) -> str:
        return quoted(self.table.schema, self.name)

    def create(self, kind: str = "index", on: str = "") -> str:
        """The statement that builds it; `kind` may say "index concurrently"."""
        include = f" include ({', '.join(c.sql for c in self.include)})" if self.include else ""
        where = f" where {self.where}" if self.where else ""
        return (
            f"create {'unique ' if self.unique else ''}{kind} {quoted(self.name)} on {on}{self.table.sql}"
            f" using {self.method} ({', '.join(self.keys)}){include} {self.more}{where}"
        )

    def reading(self) -> str:
        """A query that can be answered by this index alone, once the others are out of the way."""
        if self.by:
            return f"select count(*) from {self.table.sql} where {self.by}"
        order = ", ".join(key.replace(" text_ops", "").replace(" text_pattern_ops", " using ~<~") for key in self.keys)
        rows = " and ".join(text for text in (self.where, self.only) if text) or "true"
        return f"select 1 from {self.table.sql} where {rows} order by {order} limit 1"


@dataclass(eq=False)
class Work:
    """A statement of the workload, run `calls` times; `sql` makes the text of the k-th call. Its id is known later."""

    sql: Callable[[int], str]
    calls: int
    aside: bool = False  # it sleeps, so it is run beside the others
    bind: Callable[[int], object] | None = None  # the value of its parameter $1, bound as drivers do
    id: int = 0

    @property
    def object(self) -> str:
        return f"query {self.id}"


Object = str | Work
Level = str


@dataclass(frozen=True)
class Defect:
    """What a lint has to find: one of `objects` (equally good ones); `level` where the contract says it."""

    lint: str
    objects: tuple[Object, ...]
    why: str
    level: Level = ""


@dataclass(frozen=True)
class Remark:
    """An object that a lint must not find (a decoy), or may find (a side effect of another lint's defect), and why."""

    lint: str
    object: Object
    why: str


@dataclass(frozen=True)
class Truth:
    """What is wrong with a database, what may be said beside it, and what only looks wrong."""

    name: str
    defects: Sequence[Defect]
    allowed: Sequence[Remark] = ()
    decoys: Sequence[Remark] = ()


def grows(table: str, rows: int, a_day: int, column: str) -> dict[str, Any]:
    """A fact of growth: a table has so many rows, and so many come each day; `column` is the time that they follow."""
    return {
        "table": table, "rows": rows, "bytes": rows * 100, "row_bytes": 100, "rows_a_day": float(a_day),
        "low": a_day * 0.97, "high": a_day * 1.03, "method": "column" if column else "snapshots", "column": column,
        "since": "2025-01-01",
    }  # fmt: skip


class World:
    """What a seed makes: filled by the plants, then built by `planting.build`."""

    def __init__(self, seed: int, suffix: str) -> None:
        self.seed = seed
        self.suffix = suffix  # of roles, which belong to the whole cluster
        self.rng = random.Random(seed)  # noqa: S311  no secret
        self.measures_bloat = True  # pgstattuple is there
        self.names = Names(self.rng, strange=self.rng.choice((0.05, 0.15, 0.4)))
        self.schemas = ["public", *(self.names.new() for _ in range(self.rng.randint(2, 5)))]
        self.first: list[str] = []  # functions, sequences: before the tables
        self.tables: list[Table] = []
        self.indexes: list[Index] = []
        self.foreign: list[str] = []  # foreign keys, when all tables are there
        self.last: list[str] = []  # after indexes and foreign keys
        self.failing: list[str] = []  # statements that have to fail, and leave something behind
        self.counted: list[str] = []  # untracked, but after the counters were set back: vacuum, updates
        self.held: list[
            tuple[str, str]
        ] = []  # (table, statement): the statement runs until the end, as a lock holds it up
        self.workload: list[Work] = []
        self.dominant: Work | None = None  # the statement that has to take a third of the time
        self.growth: list[dict[str, Any]] = []
        self.defects: list[Defect] = []
        self.decoys: list[Remark] = []
        self.allowed: list[Remark] = []
        self._roles: dict[str, str] = {}
        self._hosts: list[Table] = []
        self._function_schema = ""

    # tables

    def table(self, rows: int | tuple[int, int], *, partitions: str = "", key: str = "", **more: Any) -> Table:
        """A new table of so many rows (or between two numbers), in some schema, with a primary key."""
        count = rows if isinstance(rows, int) else self.rng.randint(*rows)
        column = Column(
            self.rng.choice(("id", "id", "ID", "number", "Nr.")), key or self.rng.choice(("int", "bigint")), "i"
        )
        table = Table(self, self.rng.choice(self.schemas), self.names.new(), count, column, partitions, **more)
        self.tables.append(table)
        return table

    def host(self, rows: tuple[int, int], *, partitioned: bool | None = False) -> Table:
        """A table that several plants share, each with columns of its own. `partitioned` None: as it comes."""
        wanted = [
            t
            for t in self._hosts
            if rows[0] <= t.rows <= rows[1] and len(t.columns) < 12 and partitioned in (None, bool(t.partitions))
        ]
        if wanted and self.rng.random() < 0.8:
            return self.rng.choice(wanted)
        split = partitioned or (partitioned is None and self.rng.random() < 0.3)
        table = self.table(rows, partitions=self.rng.choice(("hash", "range")) if split else "")
        table.unlogged = self.rng.random() < 0.1
        self._hosts.append(table)
        return table

    def index_name(self, table: Table) -> str:
        """A name for an index, in one of the usual manners."""
        pick = self.rng.random()
        if pick < 0.15:
            return self.names.new()
        return self.names.new(*(("idx", table.name) if pick < 0.5 else (table.name, "idx")))

    # roles and functions

    def role(self, name: str, options: str = "nologin") -> str:
        """A role of this database, made when it is first asked for; its quoted name."""
        if name not in self._roles:
            self._roles[name] = options
        return quoted(f"{name}_{self.suffix}")

    @property
    def roles(self) -> Mapping[str, str]:
        """The roles by quoted name, and the options that they are created with."""
        return {quoted(f"{name}_{self.suffix}"): options for name, options in self._roles.items()}

    def function(self, arguments: str, returns: str, body: str, *, volatility: str = "stable", more: str = "") -> str:
        """A function in SQL or PL/pgSQL; its quoted name."""
        name = quoted(self.rng.choice(self.schemas), self.names.new(self.rng.choice(_WORDS), "fn"))
        if self.rng.random() < 0.5:
            text, language = f"select {body}", "sql"
        else:
            text, language = f"begin return {body}; end", "plpgsql"
        self.first.append(
            f"create function {name}({arguments}) returns {returns} language {language} {volatility} {more} as $f$ {text} $f$"
        )
        return name

    # what is true

    def defect(self, lint: str, *objects: Object, why: str, level: Level = "") -> None:
        """Declare what the lint has to find; several objects are alternatives, of which one will do."""
        self.defects.append(Defect(lint, objects, why, level))

    def decoy(self, lint: str, item: Object, why: str) -> None:
        """Declare what looks like a defect and is none; anything that is not declared must not be found either."""
        self.decoys.append(Remark(lint, item, why))

    def allow(self, lint: str, item: Object, why: str) -> None:
        """Declare what the lint may find as well, since another lint's defect brings it along."""
        self.allowed.append(Remark(lint, item, why))

    def truth(self) -> Truth:
        """What an audit of it is held against."""
        return Truth(f"seed {self.seed}", self.defects, self.allowed, self.decoys)

    def work(self, sql: str | Callable[[int], str], calls: int, *, aside: bool = False) -> Work:
        """Add a statement to the workload."""
        work = Work(sql if callable(sql) else lambda _: sql, calls, aside)
        self.workload.append(work)
        return work

    def asked(self, sql: str, value: Callable[[int], object], calls: int) -> Work:
        """Add a statement with one value, `?`: written into its text, or bound as a parameter."""
        if self.rng.random() < 0.4:
            work = Work(lambda _: sql.replace("?", "$1"), calls, bind=value)
        else:
            work = Work(lambda k: sql.replace("?", _literal(value(k))), calls)
        self.workload.append(work)
        return work


def _literal(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _spread(distinct: int) -> str:
    return f"i % {distinct}" if distinct else "i"
