"""Indexes that cost more than they should: bloated, of few values, mostly NULL, in the way of HOT updates; and decoys."""

from __future__ import annotations

from pgrunbook.sqlfile import quoted
from planting._registry import decoy, defect
from planting.filters import filtered
from planting.indexes import unused
from planting.world import BIG, SMALL, TINY, Column, Index, Table, World

# index_bloated -------------------------------------------------------------------------------------------------------


def _wide(w: World, rows: int, width: int, *, keep: int = 0) -> Index:
    """A table with an index over texts of `width` × 32 characters; one row in `keep` stays."""
    table = w.table(rows)
    hashes = " || ".join(f"md5('{n} ' || i)" for n in range(width))
    index = table.index(table.column("text", hashes))
    if keep:
        w.counted += [
            f"delete from {table.sql} where hashint8({table.key.sql}) % {keep} <> 0",
            f"vacuum (index_cleanup on, truncate off) {table.sql}",
            f"analyze {table.sql}",
        ]
    return index


@defect("index_bloated")
def bloated(w: World) -> None:
    if w.measures_bloat:
        w.defect("index_bloated", _wide(w, 18_000, 2, keep=6).sql, why="five of six rows are deleted")
    else:  # an estimate needs 10 MB that are wasted
        w.defect("index_bloated", _wide(w, 14_000, 45, keep=6).sql, why="five of six rows are deleted", level="routine")


@decoy("index_bloated")
def bloated_but_small(w: World) -> None:
    w.decoy("index_bloated", _wide(w, 4_000, 2, keep=6).sql, "it is smaller than a megabyte")


@decoy("index_bloated")
def full(w: World) -> None:
    w.decoy("index_bloated", _wide(w, 18_000, 2).sql, "its pages are full")


# index_low_selectivity -----------------------------------------------------------------------------------------------


def _few(table: Table) -> Column:
    """A column of up to ten values."""
    many = table.world.rng.choice((2, 3, 5, 9))
    if many == 2:
        return table.column("boolean", "i % 2 = 0")
    return table.column("text", f"'value ' || i % {many}")


@defect("index_low_selectivity")
def low_selectivity(w: World) -> None:
    table = w.host(BIG)
    index = table.index(_few(table))
    w.defect("index_low_selectivity", index.sql, why="up to ten values", level="routine")


@defect("index_low_selectivity")
def low_selectivity_skewed(w: World) -> None:
    table = w.host(BIG)
    column = table.column("text", "case when i % 200 = 0 then 'failed' when i % 3 = 0 then 'sent' else 'read' end")
    w.defect("index_low_selectivity", table.index(column).sql, why="three values, one of them rare", level="routine")


@defect("index_low_selectivity")
def low_selectivity_partitioned(w: World) -> None:
    table = w.host(BIG, partitioned=True)
    w.defect(
        "index_low_selectivity", table.index(_few(table)).sql, why="up to ten values, partitioned", level="routine"
    )


@defect("index_low_selectivity")
def low_selectivity_special(w: World) -> None:
    table = w.host(BIG)
    how = w.rng.choice(("enum", "included", "descending", "with NULLs"))
    match how:
        case "enum":
            name = quoted(table.schema, w.names.new("kind"))
            w.first.append(f"create type {name} as enum ('a', 'b', 'c')")
            index = table.index(table.column(name, f"(array['a', 'b', 'c'])[1 + i % 3]::{name}"))
        case "included":
            index = table.index(_few(table), include=[table.number()])
        case "descending":
            index = table.index(f"{_few(table).sql} desc")
        case _:
            index = table.index(table.column("int", "case when i % 3 > 0 then i % 4 end"))
    w.defect("index_low_selectivity", index.sql, why=f"up to ten values, {how}", level="routine")


@decoy("index_low_selectivity")
def selective_enough(w: World) -> None:
    table = w.host(BIG)
    how = w.rng.choice(("sixty values", "partial", "two columns", "one common value", "hash"))
    match how:
        case "hash":
            column = _few(table)
            index = table.index(
                column, method="hash", by=f"{column.sql} = (select {column.sql} from {table.sql} limit 1)"
            )
        case "sixty values":
            index = table.index(table.number(60))
        case "partial":
            column = _few(table)
            index = table.index(column, where=f"{column.sql} is not null")
        case "two columns":
            index = table.index(_few(table), table.number())
        case _:
            index = table.index(table.column("int", "case when i % 5 < 3 then 0 else i end"))
    w.decoy("index_low_selectivity", index.sql, how)


@decoy("index_low_selectivity")
def few_values_of_a_small_table(w: World) -> None:
    table = w.host(SMALL)
    w.decoy("index_low_selectivity", table.index(_few(table)).sql, "below 10,000 rows")


# index_mostly_null ---------------------------------------------------------------------------------------------------


@defect("index_mostly_null")
def mostly_null(w: World) -> None:
    table = w.host(w.rng.choice((SMALL, BIG)))
    index = table.index(table.null(w.rng.choice((0.6, 0.8, 0.95))))
    w.defect("index_mostly_null", index.sql, why="most are NULL", level="routine")


@defect("index_mostly_null")
def mostly_null_both(w: World) -> None:
    table = w.host(SMALL)
    index = table.index(table.null(0.7), table.null(0.8))
    w.defect("index_mostly_null", index.sql, why="both columns are mostly NULL", level="routine")


@defect("index_mostly_null")
def mostly_null_foreign_key(w: World) -> None:
    table = w.host(SMALL)
    index = table.index(table.references(w.host(TINY), share=0.15))
    w.defect("index_mostly_null", index.sql, why="a foreign key that is mostly NULL", level="routine")


@defect("index_mostly_null")
def mostly_null_special(w: World) -> None:
    how = w.rng.choice(("included", "partitioned", "text"))
    table = w.host(SMALL, partitioned=how == "partitioned")
    if how == "text":
        index = table.index(table.column("text", "case when i % 9 = 0 then md5(i::text) end"))
    else:
        index = table.index(table.null(0.8), include=[table.number()] if how == "included" else [])
    w.defect("index_mostly_null", index.sql, why=f"most are NULL, {how}", level="routine")


@decoy("index_mostly_null")
def not_mostly_null(w: World) -> None:
    table = w.host(SMALL)
    how = w.rng.choice(("a third", "partial", "unique", "with another", "otherwise partial"))
    match how:
        case "otherwise partial":
            index = table.index(table.null(0.8), where=f"{table.number(9).sql} = 1")
        case "a third":
            index = table.index(table.null(0.3))
        case "partial":
            column = table.null(0.8)
            index = table.index(column, where=f"{column.sql} is not null")
        case "unique":
            index = table.index(table.null(0.8), unique=True)
        case _:
            index = table.index(table.null(0.8), table.number())
    w.decoy("index_mostly_null", index.sql, how)


@defect("index_mostly_null")
def twins(w: World) -> None:
    """Tables, columns and indexes of the same names in two schemas, of which one alone is wrong."""
    if len(w.schemas) < 2:
        return
    first, second = w.table(BIG), w.table(BIG)
    first.schema, second.schema = w.rng.sample(w.schemas, 2)
    second.name, second.key = first.name, first.key
    names = [w.names.new("twin", n) for n in ("a", "b", "c", "d")]
    mostly = first.column("bigint", "case when i % 10 = 0 then i end", name="maybe")
    few = first.column("text", "'v' || i % 4", name="state")
    token = first.column("text", "md5(i::text)", name="token")
    first.has_gap = False
    second.column("text", "'v' || i", name="state")
    second.column("bigint", "i", name="maybe")
    second.column("text", "md5(i::text)", name="token")
    for table in (first, second):
        for name, column in zip(names[:2], (mostly, few), strict=True):
            index = table.index(column, name=name)
            if table is second:
                w.decoy("index_mostly_null", index.sql, "its twin's column is mostly NULL")
                w.decoy("index_low_selectivity", index.sql, "its twin's column has four values")
    w.defect(
        "index_mostly_null", quoted(first.schema, names[0]), why="most are NULL, not so in its twin", level="routine"
    )
    w.defect(
        "index_low_selectivity", quoted(first.schema, names[1]), why="four values, not so in its twin", level="routine"
    )
    second.index(token, name=names[2])
    unused(first.index(first.number(), name=names[3], read=False), "never read, unlike its twin")
    second.index(second.number(), name=names[3])
    filtered(first, f"{token.sql} = '{{h}}'", first.of(token), why="= on one column; the twin has the index")


@decoy("index_mostly_null")
def mostly_null_but_small(w: World) -> None:
    table = w.host(TINY)
    w.decoy("index_mostly_null", table.index(table.null(0.8)).sql, "below 1,000 rows")


# index_breaks_hot ----------------------------------------------------------------------------------------------------


def _updates(table: Table, column: Column, *, calls: int = 1_200) -> None:
    """The application sets a column, row by row."""
    values = {"text": "'set ' || {k}", "timestamptz": "now() + interval '1 s' * {k}"}
    value = values.get(column.type, "{k} + 5000000")

    def sql(k: int) -> str:
        return f"update {table.sql} set {column.sql} = {value.format(k=k)} where {table.key.sql} = {1 + k % table.rows}"

    table.world.work(sql, calls)


@defect("index_breaks_hot")
def breaks_hot(w: World) -> None:
    table = w.table(SMALL)
    seen, other = table.time(), table.number()
    how = w.rng.choice(("key", "second key", "expression", "included", "predicate"))
    match how:
        case "key":
            index = table.index(seen)
        case "second key":
            index = table.index(other, seen)
        case "expression":
            index = table.index(f"({seen.sql} at time zone 'UTC')")
        case "included":
            index = table.index(other, include=[seen])
        case _:
            index = table.index(other, where=f"{seen.sql} is not null")
    _updates(table, seen)
    w.defect("index_breaks_hot", index.sql, why=f"the column that is updated is in it: {how}", level="routine")
    w.decoy("index_breaks_hot", table.index(table.text()).sql, "its column is never updated")


@defect("index_breaks_hot")
def breaks_hot_special(w: World) -> None:
    how = w.rng.choice(("partitioned", "upsert", "join"))
    table = w.table(SMALL, partitions="hash" if how == "partitioned" else "")
    seen = table.column("bigint", "i * 3")
    index = table.index(seen)
    match how:
        case "partitioned":
            _updates(table, seen)
        case "upsert":
            w.work(
                lambda k: (
                    f"insert into {table.sql} ({table.key.sql}, {seen.sql}) values ({1 + k}, {k})"
                    f" on conflict ({table.key.sql}) do update set {seen.sql} = excluded.{seen.sql} + 1"
                ),
                1_200,
            )
        case _:
            w.work(
                f"update {table.sql} {table.alias} set {seen.sql} = v.n + 1 from generate_series(1, 1500) as v (n)"
                f" where {table.alias}.{table.key.sql} = v.n",
                1,
            )
    w.defect("index_breaks_hot", index.sql, why=f"the column that is updated is in it: {how}", level="routine")


@decoy("index_breaks_hot")
def updates_are_hot(w: World) -> None:
    table = w.table(SMALL, options="with (fillfactor = 40)")
    seen = table.time()
    w.decoy("index_breaks_hot", table.index(table.number()).sql, "the updates are HOT")
    w.decoy("index_breaks_hot", table.index(seen, method="brin", by=f"{seen.sql} > now()").sql, "BRIN allows HOT")
    _updates(table, table.number())


@decoy("index_breaks_hot")
def updates_a_unique_column(w: World) -> None:
    table = w.table(SMALL)
    column = table.column("bigint", "i")
    w.decoy("index_breaks_hot", table.index(column, unique=True).sql, "it keeps values unique")
    _updates(table, column)


@decoy("index_breaks_hot")
def updates_few(w: World) -> None:
    table = w.table(SMALL)
    column = table.time()
    w.decoy("index_breaks_hot", table.index(column).sql, "fewer than 1,000 updates")
    _updates(table, column, calls=300)


@decoy("index_breaks_hot")
def full_pages_break_hot(w: World) -> None:
    table = w.table(SMALL)
    column = table.number()
    w.decoy("index_breaks_hot", table.index(table.text()).sql, "the pages are full; no index has the column")
    w.work(f"update {table.sql} set {column.sql} = {column.sql} + 1", 1)
