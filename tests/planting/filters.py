"""Statements that filter by what no index has, and those that need none."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import md5

from pgrunbook.sqlfile import quoted
from planting._registry import decoy, defect
from planting.world import BIG, TINY, Table, Work, World


def _hash(n: int) -> str:
    return md5(str(n).encode()).hexdigest()  # noqa: S324  as the rows were made


def filtered(table: Table, condition: str, *objects: str, why: str, calls: int = 120, read: str = "") -> Work:
    """A query that filters by what no index has; `condition` may hold {k} (a number) or {h} (a text's value)."""
    w = table.world
    sql = f"select {read or table.key.sql} from {table.sql} where {condition}"
    if "{h}" in condition and "%" not in condition:
        work = w.asked(sql.replace("'{h}'", "?"), lambda k: _hash(100 + k), calls)
    else:
        work = w.work(lambda k: sql.replace("{k}", str(3 + k)).replace("{h}", _hash(100 + k)), calls)
    if objects:
        w.defect("filtered_without_index", *objects, why=why)
    else:
        w.decoy("filtered_without_index", table.sql, why)
    return work


@defect("filtered_without_index")
def filter_equal(w: World) -> None:
    table = w.host(BIG)
    column = table.text()
    filtered(table, f"{column.sql} = '{{h}}'", table.of(column), why="= on one column")


@defect("filtered_without_index")
def filter_in(w: World) -> None:
    table = w.host(BIG)
    column = table.text()
    filtered(table, f"{column.sql} in ('{{h}}', 'none')", table.of(column), why="in (…)")


@defect("filtered_without_index")
def filter_two(w: World) -> None:
    table = w.host(BIG)
    a, b = table.number(61), table.number(67)
    filtered(table, f"{a.sql} = 5 and {b.sql} = 7", table.of(a, b), table.of(b, a), why="= on two columns")


@defect("filtered_without_index")
def filter_range(w: World) -> None:
    table = w.host(BIG)
    a, n = table.number(53), table.number()
    last = 10 * table.rows
    filtered(table, f"{a.sql} = 5 and {n.sql} > {last - last // 50}", table.of(a, n), why="= and >")


@defect("filtered_without_index")
def filter_order(w: World) -> None:
    table = w.host(BIG)
    a, n = table.number(53), table.number()
    filtered(table, f"{a.sql} = 5 order by {n.sql} desc limit 10", table.of(a, n), why="= and order by … limit")


@defect("filtered_without_index")
def filter_expired(w: World) -> None:
    table = w.host(BIG)
    column = table.column("timestamptz", f"now() + interval '1 day' * ((i * 7919::bigint) % {table.rows} - 3)")
    w.work(f"delete from {table.sql} where {column.sql} < '2020-01-01'", 120)
    w.defect("filtered_without_index", table.of(column), why="delete by time")


@defect("filtered_without_index")
def filter_update(w: World) -> None:
    table = w.host(BIG)
    a, b = table.text(), table.number(30)
    w.work(lambda k: f"update {table.sql} set {b.sql} = 3 where {a.sql} = '{_hash(k + 200)}'", 120)
    w.defect("filtered_without_index", table.of(a), why="update by another column than the key")


@defect("filtered_without_index")
def filter_join(w: World) -> None:
    child, parent = w.table(BIG), w.table(TINY)
    column = child.column(parent.key.type, f"1 + i % {parent.rows}")
    name = parent.text()
    p, c = parent.alias, child.alias
    w.work(
        lambda k: (
            f"select {c}.{child.key.sql}, {p}.{name.sql} from {parent.sql} as {p}"
            f" join {child.sql} {c} on {c}.{column.sql} = {p}.{parent.key.sql} where {p}.{parent.key.sql} = {1 + k}"
        ),
        120,
    )
    w.defect("filtered_without_index", child.of(column), why="joined by it, and it is no foreign key")


@defect("filtered_without_index")
def filter_open_ones(w: World) -> None:
    table = w.host(BIG)
    a, ended = table.text(), table.null(0.5)
    objects = table.of(a), table.of(a, ended), table.of(ended, a)
    filtered(
        table, f"{a.sql} = '{{h}}' and {ended.sql} is null", *objects, why="= among the rows that are NULL elsewhere"
    )


@defect("filtered_without_index")
def filter_expression(w: World) -> None:
    table = w.host(BIG)
    a = table.text()
    objects = f"{table.sql} (lower({a.sql}))", f"{table.sql} (lower({a.sql}::text))", table.of(a)
    filtered(table, f"lower({a.sql}) = '{{h}}'", *objects, why="= on an expression")


@defect("filtered_without_index")
def filter_between(w: World) -> None:
    table = w.host(BIG)
    column = table.time()
    how = w.rng.choice(("between '{a}' and '{b}'", ">= '{a}' and {c} < '{b}'"))
    days = [(date.today() - timedelta(days=n)).isoformat() for n in (200, 199)]
    condition = how.replace("{a}", days[0]).replace("{b}", days[1]).replace("{c}", column.sql)
    filtered(table, f"{column.sql} {condition}", table.of(column), why="one day of five hundred")


@defect("filtered_without_index")
def filter_special(w: World) -> None:
    """The same condition, written in other ways."""
    table = w.table(BIG, partitions=w.rng.choice(("", "", "hash")))
    column = table.text()
    name, key = column.sql, table.key.sql
    how = w.rng.choice(("array", "sub-select", "with", "union", "alias", "turned", "cast", "delete", "locking", "view"))
    sql = f"select {key} from {table.sql} where {name} = ?"
    match how:
        case "array":
            sql = f"select {key} from {table.sql} where {name} = any (array[?, 'none'])"
        case "sub-select":
            sql = f"select count(*) from (select {key}, {name} as v from {table.sql}) s where s.v = ?"
        case "with":
            sql = f"with c as (select {key} as k from {table.sql} where {name} = ?) select k from c"
        case "union":
            sql = f"select {key}::bigint from {table.sql} where {name} = ? union all select 0"
        case "alias":
            sql = f'select "{table.alias} T".{key} from {table.sql} as "{table.alias} T" where "{table.alias} T".{name} = ? and true'
        case "turned":
            sql = f"select {key} from {table.sql} where ? = {name}"
        case "cast":
            sql = f"select {key} from {table.sql} where {name} = ?::{column.type}"
        case "delete":
            sql = f"delete from {table.sql} where {name} = ?"
        case "locking":
            sql += f" order by {key} for update skip locked"
        case _:
            view = quoted(table.schema, w.names.new("view"))
            w.last.append(f"create view {view} as select {key} as k, {name} as v from {table.sql}")
            sql = f"select k from {view} where v = ?"
    w.asked(sql, lambda k: _hash(100_000 + k) if how == "delete" else _hash(100 + k), 120)
    w.defect("filtered_without_index", table.of(column), why=f"=, {how}")


@defect("filtered_without_index")
def filter_child(w: World) -> None:
    """A look-up of what belongs to a row, in several ways to write it."""
    child, parent = w.table(BIG), w.table(TINY)
    column = child.column(parent.key.type, f"1 + i % {parent.rows}")
    belongs = f"{child.sql}.{column.sql} = {parent.sql}.{parent.key.sql}"
    select = f"select {parent.key.sql} from {parent.sql} where {parent.key.sql} = ?"
    sql = w.rng.choice((
        f"{select} and exists (select from {child.sql} where {belongs})",
        f"select (select count(*) from {child.sql} where {belongs}) from {parent.sql} where {parent.key.sql} = ?",
        f"select count({child.sql}.{child.key.sql}) from {parent.sql} left join {child.sql} on {belongs}"
        f" where {parent.sql}.{parent.key.sql} = ? group by {parent.sql}.{parent.key.sql}",
        f"select count(*) from {child.sql} where {column.sql} = ?",
    ))  # fmt: skip
    w.asked(sql, lambda k: 1 + k, 120)
    w.defect("filtered_without_index", child.of(column), why="a look-up of what belongs to a row")


@decoy("filtered_without_index")
def filter_indexed(w: World) -> None:
    table = w.host(BIG)
    a, b = table.text(), table.number(60)
    how = w.rng.choice(("index", "hash", "prefix", "key", "unique", "expression", "partial", "include"))
    condition = f"{a.sql} = '{{h}}'"
    match how:
        case "index":
            table.index(a)
        case "hash":
            table.index(a, method="hash", by=f"{a.sql} = 'x'")
        case "prefix":
            table.index(a, b)
        case "key":
            condition = f"{table.key.sql} = {{k}} and {b.sql} = 5"
        case "unique":
            table.index(a, unique=True)
            condition += f" and {b.sql} = 5"
        case "expression":
            table.index(f"lower({a.sql})")
            condition = f"lower({a.sql}) = '{{h}}'"
        case "partial":
            ended = table.null(0.5)
            table.index(a, where=f"{ended.sql} is null")
            condition += f" and {ended.sql} is null"
        case _:
            table.index(a, include=[b])
    filtered(table, condition, why=f"an index serves it: {how}")


@decoy("filtered_without_index")
def filter_in_vain(w: World) -> None:
    """Conditions that no btree would serve."""
    table = w.table(BIG)
    a, b = table.text(), table.column("boolean", "i % 2 = 0")
    how = w.rng.choice(("half of the rows", "contains", "contained", "unequal"))
    match how:
        case "half of the rows":
            work = filtered(table, f"{b.sql} = true", why=how, read="count(*)")
            w.allow("query_cacheable", work, "there are only two answers")
        case "contains":
            filtered(table, f"{a.sql} like '%{{h}}%'", why=how, calls=30)
        case "contained":
            tags = table.column("int[]", "array[i % 500, i % 300]")
            filtered(table, f"{tags.sql} @> array[{{k}}]", why=how, read="count(*)")
        case _:
            filtered(table, f"{a.sql} <> '{{h}}'", why=how, read="count(*)")


@decoy("filtered_without_index")
def filter_by_foreign_key(w: World) -> None:
    table = w.host(BIG)
    column = table.references(w.host(TINY))
    table.index(column)
    filtered(table, f"{column.sql} = 7", why="a foreign key with its index", calls=60)
