"""What can be wrong with the indexes of foreign keys, and what only looks so."""

from __future__ import annotations

from planting._registry import decoy, defect
from planting.world import BIG, SMALL, SPARE, TINY, Column, Index, Level, Table, World


def _level(child: Table) -> Level:
    """Of a foreign key whose parent is never deleted from."""
    return "routine" if child.rows >= 1000 else "noted"


def _missing(child: Table, *columns: Column, why: str, level: Level = "") -> None:
    child.world.defect("fk_without_index", child.of(*columns), why=why, level=level or _level(child))


def _child(w: World, *, partitioned: bool | None = False) -> Table:
    return w.host(w.rng.choice((TINY, SMALL, BIG)), partitioned=partitioned)


def pair(w: World) -> tuple[Table, Column, Column]:
    """A child with a foreign key over two columns."""
    parent = w.table(TINY)
    a, b = parent.column("int", "i"), parent.column("int", "i % 9")
    parent.constraints.append(f"unique ({a.sql}, {b.sql})")
    child = w.table(w.rng.choice((TINY, SMALL, BIG)))
    rows = parent.rows - SPARE
    x, y = child.column("int", f"1 + i % {rows}"), child.column("int", f"(1 + i % {rows}) % 9")
    w.foreign.append(
        f"alter table {child.sql} add foreign key ({x.sql}, {y.sql}) references {parent.sql} ({a.sql}, {b.sql})"
    )
    return child, x, y


@defect("fk_without_index")
def fk_bare(w: World) -> None:
    child = _child(w, partitioned=None)
    _missing(child, child.references(w.host(TINY)), why="no index at all")


@defect("fk_without_index")
def fk_parent_deleted_from(w: World) -> None:
    child, parent = w.table(BIG), w.table(TINY)
    column = child.references(parent, more=w.rng.choice(("", "on delete cascade", "on delete set null")))
    w.work(lambda k: f"delete from {parent.sql} where {parent.key.sql} = {parent.rows - k}", 5)
    _missing(child, column, why="no index, and the parent is deleted from", level="important")
    # track = 'all' counts the foreign key's own query on the child
    w.allow("filtered_without_index", child.of(column), "the foreign key's check reads the child by it")


@defect("fk_without_index")
def fk_partial(w: World) -> None:
    child = _child(w)
    column, other = child.references(w.host(TINY)), child.number(5)
    child.index(column, where=f"{other.sql} = 1")
    _missing(child, column, why="only a partial index")


@defect("fk_without_index")
def fk_second_column(w: World) -> None:
    child = _child(w, partitioned=None)
    other, column = child.number(60), child.references(w.host(TINY))
    child.index(other, column)
    _missing(child, column, why="the index begins with another column")


@defect("fk_without_index")
def fk_included_only(w: World) -> None:
    child = _child(w)
    other, column = child.number(60), child.references(w.host(TINY))
    child.index(other, include=[column])
    _missing(child, column, why="the index only includes it")


@defect("fk_without_index")
def fk_brin(w: World) -> None:
    child = _child(w)
    column = child.references(w.host(TINY))
    child.index(column, method="brin", by=f"{column.sql} = 3")
    _missing(child, column, why="a BRIN index finds no single row")


@defect("fk_without_index")
def fk_expression(w: World) -> None:
    child = _child(w)
    column = child.references(w.host(TINY))
    child.index(f"({column.sql} + 0)")
    _missing(child, column, why="the index is over an expression of it")


@defect("fk_without_index")
def fk_invalid(w: World) -> None:
    child = w.table(SMALL)
    column = child.references(w.host(TINY))
    index = Index(child, w.index_name(child), [column.sql], unique=True)
    w.failing.append(index.create("index concurrently"))
    _missing(child, column, why="its index is invalid")
    w.defect("index_invalid", index.sql, why="a failed unique build", level="important")


@defect("fk_without_index")
def fk_two_of_three(w: World) -> None:
    child, x, y = pair(w)
    other = child.number(40)
    child.index(x, other, y)
    _missing(child, x, y, why="another column stands between its two")


@defect("fk_without_index")
def fk_first_of_two(w: World) -> None:
    child, x, y = pair(w)
    child.index(x)
    _missing(child, x, y, why="the index has only one of its two columns")


@defect("fk_without_index")
def fk_to_partitioned(w: World) -> None:
    parent = w.table(TINY, partitions=w.rng.choice(("hash", "range")))
    child = w.table(w.rng.choice((TINY, SMALL)))
    _missing(child, child.references(parent), why="the parent is partitioned")


@defect("fk_without_index")
def fk_itself(w: World) -> None:
    child = w.table(w.rng.choice((TINY, SMALL, BIG)))
    column = child.references(child, share=0.3)
    _missing(child, column, why="it references its own table")


@defect("fk_without_index")
def fk_two_parents(w: World) -> None:
    child = _child(w)
    parent, other = w.table(300), w.table(400)
    column = child.references(parent)
    w.foreign.append(
        f"alter table {child.sql} add foreign key ({column.sql}) references {other.sql} ({other.key.sql}) not valid"
    )
    _missing(child, column, why="two foreign keys of the same column")


@defect("fk_without_index")
def fk_empty_child(w: World) -> None:
    child = w.table(0)
    _missing(child, child.references(w.host(TINY)), why="the child is empty as yet", level="noted")


@defect("fk_without_index")
def fk_unfinished_partitioned_index(w: World) -> None:
    child = w.table(SMALL, partitions="hash")
    column = child.references(w.host(TINY))
    index = Index(child, w.index_name(child), [column.sql])
    w.last.append(index.create(on="only "))
    _missing(child, column, why="the partitioned index was never completed")
    w.defect("index_invalid", index.sql, why="no partition's index is attached", level="important")
    w.allow("index_unused", index.sql, "an invalid index is read by none")


@defect("fk_without_index")
def fk_never_analysed(w: World) -> None:
    child = w.table(SMALL, analysed=False)
    object_ = child.of(child.references(w.host(TINY)))
    w.defect("fk_without_index", object_, why="no index, and no statistics were ever gathered")


@defect("fk_without_index")
def fk_half_partial(w: World) -> None:
    child, x, y = pair(w)
    other = child.number(5)
    child.index(x, y, where=f"{x.sql} is not null and {other.sql} = 1")
    _missing(child, x, y, why="its index has one more condition")


@decoy("fk_without_index")
def fk_pair_partial_not_null(w: World) -> None:
    child, x, y = pair(w)
    child.index(x, y, where=f"{x.sql} is not null and {y.sql} is not null")
    w.decoy("fk_without_index", child.of(x, y), "partial, but only the NULLs are left out")


@decoy("fk_without_index")
def fk_text(w: World) -> None:
    parent = w.table(TINY)
    code = parent.column("text", "'code ' || i")
    parent.constraints.append(f"unique ({code.sql})")
    child = w.table(SMALL)
    column = child.column("text", f"'code ' || 1 + i % {parent.rows}")
    child.index(f"{column.sql} text_pattern_ops")
    w.foreign.append(f"alter table {child.sql} add foreign key ({column.sql}) references {parent.sql} ({code.sql})")
    w.decoy("fk_without_index", child.of(column), "an operator class for patterns finds equal texts too")


@decoy("fk_without_index")
def fk_indexed(w: World) -> None:
    child = _child(w, partitioned=None)
    column = child.references(w.host(TINY))
    child.index(column)
    w.decoy("fk_without_index", child.of(column), "indexed")


@decoy("fk_without_index")
def fk_hash(w: World) -> None:
    child = _child(w)
    column = child.references(w.host(TINY))
    child.index(column, method="hash", by=f"{column.sql} = 3")
    w.decoy("fk_without_index", child.of(column), "a hash index serves one column")


@decoy("fk_without_index")
def fk_leading(w: World) -> None:
    child = _child(w, partitioned=None)
    column, other = child.references(w.host(TINY)), child.number()
    child.index(f"{column.sql} desc", other)
    w.decoy("fk_without_index", child.of(column), "an index of two columns begins with it")


@decoy("fk_without_index")
def fk_other_order(w: World) -> None:
    child, x, y = pair(w)
    child.index(y, x, child.number())
    w.decoy("fk_without_index", child.of(x, y), "its columns lead, in another order")


@decoy("fk_without_index")
def fk_partial_not_null(w: World) -> None:
    child = _child(w)
    column = child.references(w.host(TINY), share=0.2)
    child.index(column, where=f"{column.sql} is not null")
    w.decoy("fk_without_index", child.of(column), "partial, but only the NULLs are left out")


@decoy("fk_without_index")
def fk_primary_key(w: World) -> None:
    parent, child = w.table(TINY), w.table(200)
    w.foreign.append(
        f"alter table {child.sql} add foreign key ({child.key.sql}) references {parent.sql} ({parent.key.sql})"
    )
    w.decoy("fk_without_index", child.of(child.key), "it is the primary key")


@decoy("fk_without_index")
def fk_unique(w: World) -> None:
    child = w.table(w.rng.choice((TINY, SMALL)))
    column, other = child.references(w.host(TINY)), child.column("int", "i")
    child.constraints.append(f"unique ({column.sql}, {other.sql})")
    w.decoy("fk_without_index", child.of(column), "a unique constraint begins with it")


@decoy("fk_without_index")
def fk_of_the_ledger(w: World) -> None:
    w.first += [
        "create schema pgrunbook",
        "create table pgrunbook.run (id int primary key)",
        "create table pgrunbook.event (id int primary key, run int references pgrunbook.run)",
    ]
    w.decoy("fk_without_index", "pgrunbook.event (run)", "the ledger's schema is left out")


@decoy("fk_without_index")
def fk_of_an_extension(w: World) -> None:
    child = w.table(SMALL)
    column = child.references(w.host(TINY))
    w.last.append(f"alter extension pg_stat_statements add table {child.sql}")
    w.decoy("fk_without_index", child.of(column), "the table belongs to an extension")
