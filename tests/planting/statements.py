"""What can be wrong with a workload, and what only looks so; the statements are really run."""

from __future__ import annotations

from planting._registry import decoy, defect
from planting.world import BIG, SMALL, TINY, Column, Table, World

SLEEP = 0.112  # seconds: more than the 100 ms from which a statement is slow
_FILLER = "repeat(md5(i::text), 4)"


def _ints(table: Table, number: int) -> list[Column]:
    """Columns that are narrow, so that nothing of a row is wide."""
    return [table.column("int", f"i % {7 + n}") for n in range(number)]


# query_slow, query_share ---------------------------------------------------------------------------------------------


@defect("query_slow")
def slow(w: World) -> None:
    table = w.table(TINY)
    sql = f"select {table.key.sql}, pg_sleep({SLEEP}) from {table.sql} where {table.key.sql} = 7"
    w.defect("query_slow", w.work(sql, w.rng.randint(5, 7), aside=True), why="more than 100 ms, five calls and more")


@defect("query_slow")
def slow_write(w: World) -> None:
    table = w.table(TINY)
    column = table.number()
    sql = f"update {table.sql} set {column.sql} = length(pg_sleep({SLEEP})::text) where {table.key.sql} = 9"
    w.defect("query_slow", w.work(sql, 5, aside=True), why="a write of more than 100 ms")


@decoy("query_slow")
def slow_but_seldom(w: World) -> None:
    table = w.table(TINY)
    sql = f"select {table.key.sql}, pg_sleep(0.15) from {table.sql} where {table.key.sql} = 8"
    w.decoy("query_slow", w.work(sql, 4, aside=True), "only four calls")


@decoy("query_slow")
def fast_enough(w: World) -> None:
    table = w.table(TINY)
    column = table.number()
    sql = f"select {column.sql}, pg_sleep(0.06) from {table.sql} where {table.key.sql} = 8"
    w.decoy("query_slow", w.work(sql, 8, aside=True), "60 ms")


@defect("query_share")
def share(w: World) -> None:
    table = w.table(TINY)
    sql = f"select {table.key.sql}, pg_sleep(0.5) from {table.sql} where {table.key.sql} = 11"
    w.dominant = w.work(sql, 3, aside=True)  # the last call takes as long as it needs to have its share
    w.defect("query_share", w.dominant, why="a third of the time")


# query_n_plus_one ----------------------------------------------------------------------------------------------------


@defect("query_n_plus_one")
def children_of_each(w: World) -> None:
    parents, children = w.table(SMALL), w.table(SMALL)
    group = parents.number(60)
    parents.index(group)
    ref, value = children.references(parents), children.number()
    children.index(ref)
    w.asked(f"select {parents.key.sql}, {group.sql} from {parents.sql} where {group.sql} = ?", lambda k: k + 1, 45)
    limit = w.rng.choice(("", f" order by {children.key.sql} desc limit 1"))
    sql = f"select {children.key.sql}, {value.sql} from {children.sql} where {ref.sql} = ?{limit}"
    child = w.asked(sql, lambda k: 1 + k % 1500, 45 * (parents.rows // 60))
    _written(children, value, child.calls // 2)
    w.defect("query_n_plus_one", child, why="asked once for each row of another query")


@defect("query_n_plus_one")
def parent_of_each(w: World) -> None:
    authors, posts = w.table(TINY), w.table(SMALL)
    name = authors.text()
    ref, kind = posts.references(authors), posts.number(40)
    posts.index(ref)
    posts.index(kind)
    w.work(
        lambda k: (
            f"select {posts.key.sql}, {ref.sql} from {posts.sql} where {kind.sql} = {k + 1} order by {posts.key.sql}"
        ),
        40,
    )
    sql = f"select {authors.key.sql}, {name.sql} from {authors.sql} where {authors.key.sql} = ?"
    child = w.asked(sql + w.rng.choice(("", " limit 1")), lambda k: 1 + k % 150, 40 * (posts.rows // 40))
    _written(authors, name, child.calls // 2)
    w.defect("query_n_plus_one", child, why="the parent is asked for once for each row of another query")


def _written(table: Table, column: Column, calls: int) -> None:
    """Writes to a table, so that its answers are not worth keeping."""
    value = "'w{k}'" if column.type in ("text", "varchar(80)") else "{k}"
    sql = f"update {table.sql} set {column.sql} = {value} where {table.key.sql} = {{k}}"
    table.world.work(lambda k: sql.replace("{k}", str(1 + k % 150)), calls)


@defect("query_n_plus_one")
def siblings_of_each(w: World) -> None:
    rooms, members, messages = w.table(SMALL), w.table(SMALL), w.table(SMALL)
    who, text = members.number(60), messages.number()
    first, second = members.references(rooms), messages.references(rooms)
    members.index(who)
    members.index(first)
    messages.index(second)
    w.asked(f"select {first.sql} from {members.sql} where {who.sql} = ?", lambda k: k + 1, 45)
    sql = f"select {messages.key.sql}, {text.sql} from {messages.sql} where {second.sql} = ? order by {messages.key.sql} limit 1"
    child = w.asked(sql, lambda k: 1 + k % 1500, 45 * (members.rows // 60))
    _written(messages, text, child.calls // 2)
    w.defect("query_n_plus_one", child, why="both are foreign keys to the same table")


@decoy("query_n_plus_one")
def looked_up_too_often(w: World) -> None:
    parents, children = w.table(SMALL), w.table(SMALL)
    group = parents.number(60)
    parents.index(group)
    ref, value = children.references(parents), children.number()
    children.index(ref)
    w.asked(f"select {parents.key.sql} from {parents.sql} where {group.sql} = ?", lambda k: k + 1, 4)
    sql = f"select {children.key.sql}, {value.sql} from {children.sql} where {ref.sql} = ?"
    work = w.asked(sql, lambda k: 1 + k % 1500, 1_500)
    _written(children, value, 700)
    w.decoy("query_n_plus_one", work, "the lists had a tenth as many rows")


@decoy("query_n_plus_one")
def looked_up_by_key(w: World) -> None:
    table = w.table(SMALL)
    token, value = table.text(), table.number()
    table.index(token, unique=True)
    work = w.asked(f"select {value.sql} from {table.sql} where {table.key.sql} = ?", lambda k: 1 + k % 1500, 1_100)
    _written(table, value, 600)
    w.decoy("query_n_plus_one", work, "no other statement reads a table that is related")


@decoy("query_n_plus_one")
def joined(w: World) -> None:
    parents, children = w.table(SMALL), w.table(SMALL)
    group = parents.number(60)
    parents.index(group)
    ref, value = children.references(parents), children.number()
    children.index(ref)
    p, c = parents.alias, children.alias
    work = w.work(
        lambda k: (
            f"select {p}.{parents.key.sql}, {c}.{value.sql} from {parents.sql} {p} join {children.sql} {c}"
            f" on {c}.{ref.sql} = {p}.{parents.key.sql} where {p}.{group.sql} = {1 + k % 60}"
        ),
        200,
    )
    w.decoy("query_n_plus_one", work, "parents and children in one statement")


# query_select_star ---------------------------------------------------------------------------------------------------


@defect("query_select_star")
def star_of_many_columns(w: World) -> None:
    table = w.table(TINY)
    _ints(table, w.rng.randint(10, 14))
    t = table.alias
    sql = w.rng.choice((
        f"select * from {table.sql} where {table.key.sql} = ?",
        f"select {t}.*, 1 as one from {table.sql} as {t} where {t}.{table.key.sql} = ?",
        f"select {table.sql}.* from {table.sql} where {table.key.sql} < ? order by {table.key.sql} limit 5",
        f"with c as (select {table.key.sql} as k from {table.sql} where {table.key.sql} = ?)"
        f" select {t}.* from {table.sql} {t} join c on c.k = {t}.{table.key.sql}",
    ))  # fmt: skip
    work = w.asked(sql, lambda k: 1 + k % 150, 180)
    w.defect("query_select_star", work, why="ten columns and more", level="noted")


@defect("query_select_star")
def star_of_a_wide_column(w: World) -> None:
    table = w.table(TINY)
    _ints(table, 3)
    table.column("text", "(select string_agg(md5(i::text || n), '') from generate_series(1, 50) n)")
    t = table.alias
    work = w.asked(f"select {t}.* from {table.sql} {t} where {t}.{table.key.sql} = ?", lambda k: 1 + k % 150, 150)
    w.defect("query_select_star", work, why="a column of more than 1 kB", level="routine")


@decoy("query_select_star")
def star_of_little(w: World) -> None:
    table = w.table(TINY)
    columns = _ints(table, 5)
    if w.rng.random() < 0.5:
        work = w.work(lambda k: f"select * from {table.sql} where {table.key.sql} = {1 + k % 150}", 150)
        w.decoy("query_select_star", work, "six narrow columns")
    else:
        _ints(table, 8)
        work = w.work(lambda k: f"select * from {table.sql} where {table.key.sql} = {1 + k % 150}", 60)
        w.decoy("query_select_star", work, "sixty calls")
        few = f"select count(*), max({columns[0].sql}) from {table.sql} where {table.key.sql} < 5"
        w.decoy("query_select_star", w.work(few, 150), "count(*)")


@decoy("query_select_star")
def star_that_fetches_little(w: World) -> None:
    table = w.table(TINY)
    a, b, *_ = _ints(table, 12)
    inner = f"select {a.sql}, {b.sql} from {table.sql} where {table.key.sql} = "
    work = w.work(lambda k: f"select * from ({inner} {1 + k % 150}) x", 150)
    w.decoy("query_select_star", work, "two columns come out of the sub-select")
    work = w.work(lambda k: f"select exists (select * from {table.sql} where {table.key.sql} = {1 + k % 150})", 150)
    w.decoy("query_select_star", work, "exists fetches no column")
    sql = f"with x as (select * from {table.sql} where {table.key.sql} = ?) select {a.sql}, {b.sql} from x"
    w.decoy("query_select_star", w.asked(sql, lambda k: 1 + k % 150, 150), "two columns come out of the WITH")


# query_unbounded -----------------------------------------------------------------------------------------------------


@defect("query_unbounded")
def unbounded(w: World) -> None:
    table = w.table(w.rng.choice((SMALL, SMALL, BIG)))
    column = table.number(9)
    where = w.rng.choice(("", f" where {column.sql} > 0", f" order by {table.key.sql}"))
    work = w.work(f"select {table.key.sql}, {column.sql} from {table.sql}{where}", 10)
    level = "important" if table.rows >= 10_000 else "routine"
    w.defect("query_unbounded", work, why="all rows, no limit", level=level)


@defect("query_unbounded")
def unbounded_join(w: World) -> None:
    parents, children = w.table(TINY), w.table(SMALL)
    ref, name = children.references(parents), parents.number()
    children.index(ref)
    p, c = parents.alias, children.alias
    work = w.work(
        f"select {c}.{children.key.sql}, {p}.{name.sql} from {children.sql} {c}"
        f" join {parents.sql} {p} on {p}.{parents.key.sql} = {c}.{ref.sql}",
        10,
    )
    w.defect("query_unbounded", work, why="a join of all rows", level="routine")


@defect("query_unbounded")
def unbounded_union(w: World) -> None:
    table = w.table(SMALL)
    column = table.number(9)
    sql = w.rng.choice((
        f"select {table.key.sql}, 'a' from {table.sql} union all select {table.key.sql}, 'b' from {table.sql}",
        f"select {table.key.sql}, row_number() over (order by {table.key.sql}) from {table.sql}",
        f"with x as (select {table.key.sql} as k, {column.sql} as v from {table.sql} where {column.sql} > 0) select * from x",
        f"select {table.key.sql} from {table.sql} where {table.key.sql} > 5 order by {column.sql}",
    ))  # fmt: skip
    w.defect("query_unbounded", w.work(sql, 12), why="all rows, no limit", level="routine")


@decoy("query_unbounded")
def bounded(w: World) -> None:
    table = w.table(SMALL)
    a, b = table.number(), table.number(60)
    table.index(b)
    for sql, why in (
        (f"select {table.key.sql} from {table.sql} order by {table.key.sql} limit 1200", "limit"),
        (f"select {a.sql} from {table.sql} order by {table.key.sql} fetch first 1100 rows only", "fetch first"),
        (f"select {a.sql}, count(*) from {table.sql} group by {a.sql}", "grouped"),
        (f"select count(*), sum({a.sql}) from {table.sql}", "one row"),
        (f"select {table.key.sql}, {a.sql} from {table.sql} where {b.sql} = 5", "some forty rows"),
        (f"select {table.key.sql} from {table.sql} where {table.key.sql} = 5", "by a unique key"),
        (f"update {table.sql} set {a.sql} = {a.sql} where {table.key.sql} < 990", "an update's rows go nowhere"),
    ):
        if w.rng.random() < 0.6:
            w.decoy("query_unbounded", w.work(sql, 1 if "update" in sql else 8), why)


# query_deep_offset ---------------------------------------------------------------------------------------------------


@defect("query_deep_offset")
def deep_offset(w: World) -> None:
    table = w.table(BIG)
    column = table.number()
    table.column("text", _FILLER)
    order = table.key if w.rng.random() < 0.5 else column
    if order is column:
        table.index(column)
    end = w.rng.choice((" limit 10 offset ?", " offset ? limit 10", " offset ? rows fetch next 10 rows only"))
    sql = f"select {table.key.sql}, {column.sql} from {table.sql} order by {order.sql}{end}"
    work = w.asked(sql, lambda k: 8000 + 10 * k, 12)
    w.defect("query_deep_offset", work, why="thousands of rows are read and thrown away", level="routine")


@decoy("query_deep_offset")
def shallow_offset(w: World) -> None:
    table = w.table(BIG)
    column = table.number()
    sql = f"select {table.key.sql} from {table.sql} order by {table.key.sql} limit 20 offset "
    w.decoy("query_deep_offset", w.work(lambda k: sql + str(20 * (k % 4)), 40), "the first pages only")
    w.decoy(
        "query_deep_offset",
        w.work(
            lambda k: (
                f"select {column.sql} from {table.sql} where {table.key.sql} > {100 * k} order by {table.key.sql} limit 20"
            ),
            40,
        ),
        "it goes on where the page before ended",
    )


# query_cacheable -----------------------------------------------------------------------------------------------------


@defect("query_cacheable")
def cacheable(w: World) -> None:
    table = w.table((40, 90))
    name = table.text()
    sql = f"select {table.key.sql}, {name.sql} from {table.sql} order by {table.key.sql}"
    w.defect("query_cacheable", w.work(sql, 2_500), why="the same small answer again and again; never written")


@defect("query_cacheable")
def cacheable_join(w: World) -> None:
    parent, child = w.table((40, 60)), w.table((40, 90))
    ref, name = child.references(parent), parent.text()
    child.index(ref)
    p, c = parent.alias, child.alias
    sql = (
        f"select {c}.{child.key.sql}, {p}.{name.sql} from {child.sql} {c}"
        f" join {parent.sql} {p} on {p}.{parent.key.sql} = {c}.{ref.sql} order by {c}.{child.key.sql}"
    )
    w.defect("query_cacheable", w.work(sql, 1_800), why="the same small answer of two tables that are never written")


@decoy("query_cacheable")
def read_of_the_moment(w: World) -> None:
    table = w.table((40, 90))
    who = table.column("text", "'user ' || i")
    table.index(who)
    sql = f"select {table.key.sql} from {table.sql} where {who.sql} = " + w.rng.choice(("current_user", "session_user"))
    w.decoy("query_cacheable", w.work(sql, 1_500), "who asks gets another answer")


@decoy("query_cacheable")
def read_of_many_values(w: World) -> None:
    table = w.table(SMALL)
    name = table.text()
    work = w.asked(f"select {name.sql} from {table.sql} where {table.key.sql} = ?", lambda k: 1 + k % 1500, 1_500)
    w.decoy("query_cacheable", work, "as many values as calls")
    w.allow("query_n_plus_one", work, "by a key, with chance neighbours")


@decoy("query_cacheable")
def read_and_written(w: World) -> None:
    table = w.table((40, 90))
    value = table.number()
    sql = f"select {table.key.sql}, {value.sql} from {table.sql} order by {table.key.sql}"
    w.decoy("query_cacheable", w.work(sql, 2_000), "written nearly as often as it is read")
    w.work(lambda k: f"update {table.sql} set {value.sql} = {k} where {table.key.sql} = {1 + k % 30}", 1_500)


@decoy("query_cacheable")
def read_seldom(w: World) -> None:
    table = w.table((40, 90))
    name = table.text()
    sql = f"select {table.key.sql}, {name.sql} from {table.sql} order by {table.key.sql}"
    w.decoy("query_cacheable", w.work(sql, 3), "three times an hour")


@decoy("query_cacheable")
def read_to_lock(w: World) -> None:
    table = w.table((40, 90))
    sql = f"select {table.key.sql} from {table.sql} order by {table.key.sql} limit 1 for update"
    w.decoy("query_cacheable", w.work(sql, 1_500), "it locks the row")
