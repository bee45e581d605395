"""Indexes that are one too many or broken: unused, duplicate, prefix, invalid; and what only looks so."""

from __future__ import annotations

from pgrunbook.sqlfile import quoted
from planting._registry import decoy, defect
from planting.foreign_keys import pair
from planting.world import BIG, SMALL, TINY, Column, Index, Level, Table, World

# index_unused --------------------------------------------------------------------------------------------------------


def unused(index: Index, why: str) -> None:
    index.table.world.defect("index_unused", index.sql, why=why, level="noted")  # the statistics are young


@defect("index_unused")
def unused_plain(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL, BIG)), partitioned=None)
    keys = [table.number(), table.text()][: w.rng.randint(1, 2)]
    unused(table.index(*keys, read=False), "never read")


@defect("index_unused")
def unused_other_methods(w: World) -> None:
    table = w.host(SMALL)
    method = w.rng.choice(("hash", "brin", "gin", "gist"))
    if method == "gin":
        column = table.column("int[]", "array[i % 50, i % 7]")
    elif method == "gist":
        column = table.column("point", "point(i, i)")
    else:
        column = table.number()
    unused(table.index(column, method=method, read=False), f"never read, {method}")


@defect("index_unused")
def unused_expression(w: World) -> None:
    table = w.host(SMALL)
    unused(table.index(f"lower({table.text().sql})", read=False), "never read, over an expression")


@defect("index_unused")
def unused_partial(w: World) -> None:
    table = w.host(SMALL)
    unused(table.index(table.number(), where=f"{table.number(9).sql} = 1", read=False), "never read, partial")


@defect("index_unused")
def unused_partitioned(w: World) -> None:
    table = w.host(SMALL, partitioned=True)
    unused(table.index(table.number(), read=False), "read on no partition")


@defect("index_unused")
def unused_never_analysed(w: World) -> None:
    table = w.table(SMALL, analysed=False)
    unused(table.index(table.number(), read=False), "never read, and no statistics were ever gathered")


@defect("index_unused")
def unused_beside_the_foreign_keys(w: World) -> None:
    table = w.host(SMALL)
    column = table.references(w.host(TINY))
    table.index(column)
    unused(table.index(table.number(), column, read=False), "never read; the foreign key has another index")


@defect("index_unused")
def unused_and_no_help_to_the_foreign_key(w: World) -> None:
    table = w.host(SMALL)
    column, other = table.references(w.host(TINY)), table.null(0.1)
    index = table.index(column, where=f"{other.sql} is not null", read=False)
    unused(index, "never read; its condition is on another column, so it is none for the foreign key")
    w.defect("fk_without_index", table.of(column), why="the partial index's condition is on another column")


@decoy("index_unused")
def unused_unique(w: World) -> None:
    table = w.host(SMALL)
    index = table.index(table.text(), unique=True, read=False)
    w.decoy("index_unused", index.sql, "it keeps values unique")


@decoy("index_unused")
def unused_exclusion(w: World) -> None:
    table = w.table(TINY)
    name = w.index_name(table)
    table.constraints.append(f"constraint {quoted(name)} exclude using btree ({table.column('int', 'i').sql} with =)")
    w.decoy("index_unused", quoted(table.schema, name), "it is an exclusion constraint's")


@decoy("index_unused")
def unused_for_a_foreign_key(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL, BIG)), partitioned=None)
    index = table.index(table.references(w.host(TINY)), read=False)
    w.decoy("index_unused", index.sql, "it is the only one for a foreign key")


@decoy("index_unused")
def unused_partial_for_a_foreign_key(w: World) -> None:
    table = w.host(SMALL)
    column = table.references(w.host(TINY), share=0.7)
    index = table.index(column, where=f"{column.sql} is not null", read=False)
    w.decoy("index_unused", index.sql, "partial, and the only one for a foreign key")


@decoy("index_unused")
def unused_for_a_wider_foreign_key(w: World) -> None:
    table, x, y = pair(w)
    index = table.index(y, x, read=False)
    w.decoy("index_unused", index.sql, "it is the only one for a foreign key of two columns")


@decoy("index_unused")
def unused_empty(w: World) -> None:
    table = w.table(0)
    index = table.index(table.number(), read=False)
    w.decoy("index_unused", index.sql, "the table is empty")


@decoy("index_unused")
def used_on_one_partition(w: World) -> None:
    table = w.host(SMALL, partitioned=True)
    index = table.index(table.number(), only=f"{table.key.sql} = 5")
    w.decoy("index_unused", index.sql, "it is read on one partition")


@decoy("index_unused")
def used_for_its_existence_only(w: World) -> None:
    table = w.host(SMALL)
    index = table.index(table.number())
    w.decoy("index_unused", index.sql, "it was read once")


# index_duplicate -----------------------------------------------------------------------------------------------------


def _duplicate(index: Index, why: str) -> None:
    index.table.world.defect("index_duplicate", index.sql, why=why, level="routine")


@defect("index_duplicate")
def duplicate_plain(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL)), partitioned=None)
    keys = [table.number(), table.text()][: w.rng.randint(1, 2)]
    table.index(*keys)
    _duplicate(table.index(*keys), "the younger of two equal ones")


@defect("index_duplicate")
def duplicate_thrice(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL)))
    column = table.number()
    table.index(column)
    _duplicate(table.index(column), "the second of three")
    _duplicate(table.index(column), "the third of three")


@defect("index_duplicate")
def duplicate_of_primary_key(w: World) -> None:
    table = w.table(w.rng.choice((TINY, SMALL)), partitions=w.rng.choice(("", "", "hash")))
    _duplicate(table.index(table.key), "the primary key's index is the same")


@defect("index_duplicate")
def duplicate_of_younger_unique(w: World) -> None:
    table = w.host(SMALL)
    column = table.text()
    first = table.index(column)
    table.index(column, unique=True)
    _duplicate(first, "the younger one is unique")


@defect("index_duplicate")
def duplicate_of_constraint(w: World) -> None:
    table = w.table(TINY)
    column = table.column("int", "i")
    table.constraints.append(f"unique ({column.sql})")
    _duplicate(table.index(column, unique=True), "a unique constraint has the same")


@defect("index_duplicate")
def duplicate_special(w: World) -> None:
    table = w.host(SMALL)
    text, number = table.text(), table.number(9)
    how = w.rng.choice(("partial", "expression", "include", "descending", "opclass", "hash", "gin"))
    for turn in range(2):
        match how:
            case "partial":
                index = table.index(text, where=f"{number.sql} = 1")
            case "expression":
                index = table.index(f"lower({text.sql})")
            case "include":
                index = table.index(text, include=[number])
            case "descending":
                index = table.index(f"{text.sql} desc nulls last", number)
            case "opclass":
                index = table.index(f"{text.sql} text_pattern_ops")
            case "hash":
                index = table.index(text, method="hash", by=f"{text.sql} = 'x'")
            case _:
                column = table.columns[-1] if turn else table.column("int[]", "array[i % 50, i % 7]")
                index = table.index(column, method="gin", by=f"{column.sql} @> array[3]")
    _duplicate(index, f"the younger of two equal ones, {how}")


@defect("index_duplicate")
def duplicate_of_younger_constraint(w: World) -> None:
    table = w.table(TINY)
    column = table.column("int", "i")
    older = table.index(column, unique=w.rng.random() < 0.5)
    w.foreign.append(f"alter table {table.sql} add unique ({column.sql})")
    _duplicate(older, "a younger unique constraint has the same")


@defect("index_duplicate")
def duplicate_written_otherwise(w: World) -> None:
    table = w.host(SMALL)
    text = table.text()
    table.index(text)
    how = w.rng.choice(("collation", "order", "fillfactor", "opclass"))
    key = {"collation": ' collate "default"', "order": " asc nulls last", "opclass": " text_ops"}.get(how, "")
    index = table.index(f"{text.sql}{key}", more="with (fillfactor = 70)" if how == "fillfactor" else "")
    _duplicate(index, f"equal but for its text: {how}")


@defect("index_duplicate")
def duplicate_unique(w: World) -> None:
    """Two unique indexes: what decides is not always the age."""
    table = w.table(SMALL)
    column = table.column("int", "i", more="not null")
    how = w.rng.choice(("younger", "replica identity", "nulls not distinct"))
    older = table.index(column, unique=True)
    younger = table.index(column, unique=True, more="nulls not distinct" if how == "nulls not distinct" else "")
    if how == "replica identity":
        w.last.append(f"alter table {table.sql} replica identity using index {quoted(younger.name)}")
    _duplicate(younger if how == "younger" else older, f"both are unique: {how}")


@defect("index_duplicate")
def duplicate_on_one_partition(w: World) -> None:
    table = w.host(SMALL, partitioned=True)
    column = table.number()
    table.index(column)
    own = Index(table, w.index_name(table), [column.sql])
    part = w.rng.choice(table.parts)
    w.last.append(own.create().replace(table.sql, part))
    _duplicate(own, "one partition has a second one of its own")
    w.allow("index_unused", own.sql, "a partition's own index was not read")


@defect("index_duplicate")
def duplicate_backwards(w: World) -> None:
    table = w.host(SMALL)
    column = table.number()
    table.index(column)
    _duplicate(table.index(f"{column.sql} desc"), "the younger of two, of which one is the other read backwards")


@decoy("index_duplicate")
def duplicate_but_for(w: World) -> None:
    """Two indexes that differ in one thing."""
    table = w.host(SMALL)
    text, number, more = table.text(), table.number(9), table.number()
    how = w.rng.choice(("partial", "order", "nulls", "opclass", "collation", "method", "expression", "include"))
    match how:
        case "partial":
            both = [table.index(text, where=f"{number.sql} = {n}") for n in (1, 2)]
        case "order":
            both = [table.index(text, number), table.index(text, f"{number.sql} desc")]
        case "nulls":
            both = [table.index(f"{text.sql} desc", number), table.index(f"{text.sql} desc nulls last", number)]
        case "opclass":
            both = [table.index(text), table.index(f"{text.sql} text_pattern_ops")]
        case "collation":
            both = [table.index(text), table.index(f'{text.sql} collate "POSIX"')]
        case "method":
            both = [table.index(text), table.index(text, method="hash", by=f"{text.sql} = 'x'")]
        case "expression":
            both = [table.index(f"lower({text.sql})"), table.index(f"upper({text.sql})")]
        case _:
            both = [table.index(text, include=[number]), table.index(text, include=[more])]
    for index in both:
        w.decoy("index_duplicate", index.sql, f"they differ in {how}")
        w.decoy("index_prefix", index.sql, f"they differ in {how}")


@decoy("index_duplicate")
def duplicate_on_another_table(w: World) -> None:
    for table in (w.table(300), w.table(300)):
        index = table.index(table.column("int", "i", name="same"))
        w.decoy("index_duplicate", index.sql, "the tables differ")


# index_prefix --------------------------------------------------------------------------------------------------------


def _prefix(index: Index, why: str, level: Level = "routine") -> None:
    index.table.world.defect("index_prefix", index.sql, why=why, level=level)


@defect("index_prefix")
def prefix_plain(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL)), partitioned=None)
    a, b = table.number(), table.number()
    _prefix(table.index(a), "the other has one more column")
    table.index(a, b)


@defect("index_prefix")
def prefix_chain(w: World) -> None:
    table = w.host(SMALL)
    a, b, c = table.number(), table.number(), table.text()
    table.index(a, b, c)
    _prefix(table.index(a), "the first of three")
    _prefix(table.index(a, b), "the second of three")


@defect("index_prefix")
def prefix_of_unique(w: World) -> None:
    table = w.host(SMALL)
    a, b = table.number(60), table.column("int", "i")
    _prefix(table.index(a), "a unique one begins with it")
    table.index(a, b, unique=True)


@defect("index_prefix")
def prefix_special(w: World) -> None:
    table = w.host(SMALL)
    a, b, c = table.text(), table.number(), table.number(9)
    how = w.rng.choice(("partial", "expression", "descending", "included", "included in both"))
    match how:
        case "partial":
            short, _ = table.index(a, where=f"{c.sql} = 1"), table.index(a, b, where=f"{c.sql} = 1")
        case "expression":
            short, _ = table.index(f"lower({a.sql})"), table.index(f"lower({a.sql})", b)
        case "descending":
            short, _ = table.index(f"{a.sql} desc"), table.index(f"{a.sql} desc", b)
        case "included":
            short, _ = table.index(a, include=[c]), table.index(a, b, c)
        case _:
            short, _ = table.index(a, include=[c]), table.index(a, b, include=[c])
    _prefix(short, f"the other has one more column, {how}")


@defect("index_prefix")
def prefix_with_foreign_key(w: World) -> None:
    table = w.host(SMALL)
    a, b = table.references(w.host(TINY)), table.number()
    _prefix(table.index(a), "the longer one serves the foreign key too")
    table.index(a, b)


@defect("index_prefix")
def beyond_unique(w: World) -> None:
    table = w.table(w.rng.choice((TINY, SMALL)))
    _prefix(table.index(table.key, table.number()), "it begins with the primary key", level="noted")


def _joined(w: World) -> tuple[Table, Column, Column]:
    """A table whose primary key is of two columns."""
    table = w.table(w.rng.choice((TINY, SMALL)))
    table.key.value = "1 + i % 50"
    other = table.column("int", "i / 50", more="not null")
    table.also_key = other
    return table, table.key, other


@defect("index_prefix")
def prefix_of_the_primary_key(w: World) -> None:
    table, first, _ = _joined(w)
    _prefix(table.index(first), "the primary key begins with it")


@decoy("index_prefix")
def second_of_the_primary_key(w: World) -> None:
    table, first, second = _joined(w)
    index = table.index(second, first) if w.rng.random() < 0.5 else table.index(second)
    for lint in ("index_prefix", "index_duplicate"):
        w.decoy(lint, index.sql, "the primary key has its columns in another order")


@decoy("index_prefix")
def prefix_but_for(w: World) -> None:
    """A shorter and a longer one that differ in one thing more."""
    table = w.host(SMALL)
    a, b, c = table.text(), table.number(), table.number(9)
    how = w.rng.choice(("second", "partial", "whole", "order", "opclass", "include", "unique", "method", "invalid"))
    match how:
        case "second":
            short, _ = table.index(b), table.index(a, b)
        case "partial":
            short, _ = table.index(a), table.index(a, b, where=f"{c.sql} = 1")
        case "whole":
            short, _ = table.index(a, where=f"{c.sql} = 1"), table.index(a, b)
        case "order":
            short, _ = table.index(f"{a.sql} desc", c), table.index(a, c, b)
        case "opclass":
            short, _ = table.index(f"{a.sql} text_pattern_ops"), table.index(a, b)
        case "include":
            short, _ = table.index(a, include=[c]), table.index(a, b)
        case "unique":
            short = table.index(a, unique=True)
            w.allow("index_prefix", table.index(a, b).sql, "the unique one finds one row, but for NULLs")
        case "method":
            short, _ = table.index(a, method="hash", by=f"{a.sql} = 'x'"), table.index(a, b)
        case _:
            short = table.index(a)
            d = table.column("int", "0")
            broken = Index(table, w.index_name(table), [a.sql, f"(1 / {d.sql})"])
            w.failing.append(broken.create("index concurrently"))
            w.defect("index_invalid", broken.sql, why="a failed build", level="important")
            w.allow("index_unused", broken.sql, "an invalid index is read by none")
    w.decoy("index_prefix", short.sql, f"the longer one can't replace it: {how}")


@decoy("index_prefix")
def beyond_partial_unique(w: World) -> None:
    table = w.host(SMALL)
    a, b, c = table.column("int", "i"), table.number(), table.number(9)
    table.index(a, unique=True, where=f"{c.sql} = 1")
    w.decoy("index_prefix", table.index(a, b).sql, "the unique one is partial")


# index_invalid -------------------------------------------------------------------------------------------------------


@defect("index_invalid")
def invalid_unique(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL)))
    index = Index(table, w.index_name(table), [table.number(30).sql], unique=True)
    w.failing.append(index.create("index concurrently"))
    w.defect("index_invalid", index.sql, why="a failed unique build", level="important")


@defect("index_invalid")
def invalid_expression(w: World) -> None:
    table = w.host(w.rng.choice((TINY, SMALL)))
    index = Index(table, w.index_name(table), [f"(1 / {table.column('int', 'i % 3').sql})"])
    w.failing.append(index.create("index concurrently"))
    w.defect("index_invalid", index.sql, why="a failed build", level="important")
    w.allow("index_unused", index.sql, "an invalid index is read by none")


@defect("index_invalid")
def invalid_partitioned(w: World) -> None:
    table = w.table(SMALL, partitions=w.rng.choice(("hash", "range")))
    index = Index(table, w.index_name(table), [table.number().sql])
    w.last.append(index.create(on="only "))
    w.defect("index_invalid", index.sql, why="no partition's index is attached", level="important")
    w.allow("index_unused", index.sql, "an invalid index is read by none")


@decoy("index_invalid")
def invalid_as_it_is_built(w: World) -> None:
    table = w.table(TINY)
    index = Index(table, w.index_name(table), [table.number().sql])
    w.held.append((table.sql, index.create("index concurrently")))
    w.decoy("index_invalid", index.sql, "it is being built right now")
    w.allow("index_unused", index.sql, "it is being built right now")


@decoy("index_invalid")
def valid_partitioned(w: World) -> None:
    table = w.host(SMALL, partitioned=True)
    w.decoy("index_invalid", table.index(table.number()).sql, "each partition has its index")
