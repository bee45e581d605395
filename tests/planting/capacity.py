"""What can run out, and what only looks so.

Tables of ten million rows are no matter of seconds: their numbers are handed to the lints as facts of growth.
Sequences and keys are really far advanced.
"""

from __future__ import annotations

from pgrunbook.sqlfile import quoted
from planting._registry import decoy, defect
from planting.world import SMALL, TINY, Column, Table, World, grows

INT2, INT4 = 2**15 - 1, 2**31 - 1
MILLION = 1_000_000

# growth_threshold, partition_candidate -------------------------------------------------------------------------------


def _grows(table: Table, rows: int, a_day: int, *, column: Column | None = None) -> None:
    """Let the facts say that a table has so many rows, and how many come each day."""
    table.world.growth.append(grows(table.sql, rows, a_day, column.name if column else ""))


def _timeless(w: World) -> Table:
    """A table without a column of times."""
    table = w.table(SMALL)
    table.number()
    return table


def _timed(w: World) -> tuple[Table, Column]:
    table = w.table(SMALL)
    return table, table.time()


@defect("growth_threshold")
def soon_ten_million(w: World) -> None:
    table = _timeless(w)
    a_day = w.rng.choice((2_000, 10_000))
    _grows(table, 10 * MILLION - a_day * w.rng.randint(60, 300), a_day)
    w.defect("growth_threshold", table.sql, why="10 million within a year", level="routine")


@defect("growth_threshold")
def beyond_ten_million(w: World) -> None:
    table = _timeless(w)
    _grows(table, w.rng.randint(11, 30) * MILLION, 1_000)
    w.defect("growth_threshold", table.sql, why="beyond 10 million, not partitioned", level="important")


@decoy("growth_threshold")
def far_from_ten_million(w: World) -> None:
    table = _timeless(w)
    rows, a_day = w.rng.choice(((1 * MILLION, 1_000), (9 * MILLION, 500), (9_900_000, 0), (100_000, 20_000)))
    _grows(table, rows, a_day)
    w.decoy("growth_threshold", table.sql, f"{rows} rows, {a_day} a day: below 10 million in a year")


@defect("partition_candidate")
def large_and_by_time(w: World) -> None:
    table, time = _timed(w)
    _grows(table, w.rng.randint(11, 40) * MILLION, 5_000, column=time)
    w.defect("partition_candidate", table.sql, why="beyond 10 million, the rows follow the time", level="routine")
    w.defect("growth_threshold", table.sql, why="beyond 10 million, not partitioned", level="important")


@defect("partition_candidate")
def soon_large_and_by_time(w: World) -> None:
    table, time = _timed(w)
    _grows(table, 10 * MILLION - 20_000 * w.rng.randint(30, 150), 20_000, column=time)
    w.defect("partition_candidate", table.sql, why="10 million within 180 days", level="routine")
    w.defect("growth_threshold", table.sql, why="10 million within a year", level="routine")


@decoy("partition_candidate")
def large_but_timeless(w: World) -> None:
    table = _timeless(w)
    _grows(table, 15 * MILLION, 5_000)
    w.decoy("partition_candidate", table.sql, "no column of times")
    w.defect("growth_threshold", table.sql, why="beyond 10 million, not partitioned", level="important")


@decoy("partition_candidate")
def large_but_not_by_time(w: World) -> None:
    table = w.table(SMALL)
    table.column("timestamptz", "now() - interval '1 day' * (abs(hashint8(i)) % 700)")
    _grows(table, 15 * MILLION, 5_000)
    w.decoy("partition_candidate", table.sql, "the rows don't follow the time")
    w.defect("growth_threshold", table.sql, why="beyond 10 million, not partitioned", level="important")


@decoy("partition_candidate")
def large_much_later(w: World) -> None:
    table, time = _timed(w)
    _grows(table, 10 * MILLION - 10_000 * w.rng.randint(240, 330), 10_000, column=time)
    w.decoy("partition_candidate", table.sql, "10 million later than in 180 days")
    w.defect("growth_threshold", table.sql, why="10 million within a year", level="routine")


@decoy("partition_candidate")
def large_and_partitioned(w: World) -> None:
    table = w.table(SMALL, partitions="range")
    _grows(table, 15 * MILLION, 5_000, column=table.time())
    w.decoy("partition_candidate", table.sql, "it is partitioned")
    w.allow("growth_threshold", table.sql, "beyond 10 million, but partitioned: the contract leaves it open")


# sequence_exhaustion -------------------------------------------------------------------------------------------------


def _sequence(w: World, options: str, last: int, schema: str = "") -> str:
    stem = w.rng.choice(("seq", "counter", "numbers", "Nummern"))
    name = quoted(schema or w.rng.choice(w.schemas), w.names.new(stem))
    w.first += [f"create sequence {name} {options}", _set(name, last)]
    return name


def _set(name: str, last: int) -> str:
    escaped = name.replace("'", "''")
    return f"select setval('{escaped}', {last})"


@defect("sequence_exhaustion")
def sequence_nearly_out(w: World) -> None:
    share = w.rng.choice((0.55, 0.7, 0.83, 0.97))
    options, low, high, down = w.rng.choice((
        ("as integer", 1, INT4, False),
        ("as smallint", 1, INT2, False),
        ("maxvalue 1000000", 1, MILLION, False),
        ("minvalue 5000000 maxvalue 6000000 start 5000000", 5 * MILLION, 6 * MILLION, False),
        ("increment -1", -(2**63), -1, True),
        ("as integer increment -1 minvalue -2000000 maxvalue -1", -2 * MILLION, -1, True),
        ("increment 10 maxvalue 100000000", 1, 100 * MILLION, False),
    ))  # fmt: skip
    used = int((high - low) * share)
    name = _sequence(w, options, high - used if down else low + used)
    w.defect(
        "sequence_exhaustion", name, why=f"{share:.0%} of {options}", level="important" if share > 0.8 else "routine"
    )


@decoy("sequence_exhaustion")
def sequence_far_from_out(w: World) -> None:
    options, last = w.rng.choice((
        ("", 3_000_000_000),
        ("as integer", 900_000_000),
        ("minvalue 5000000 maxvalue 6000000 start 5000000", 5_300_000),
        ("as integer increment -1 minvalue -2000000 maxvalue -1", -500_000),
        ("increment -1", -9_000_000_000),
        ("minvalue -1000000 maxvalue 1000000 start -1000000", -200_000),
    ))  # fmt: skip
    w.decoy("sequence_exhaustion", _sequence(w, options, last), f"{last} of {options}")


# integer_key_exhaustion ----------------------------------------------------------------------------------------------


def _keyed(w: World, type: str, value: str = "i", more: str = "") -> Table:  # noqa: A002
    table = w.table(TINY)
    table.key.type, table.key.value, table.key.more = type, value, more
    return table


def _key_runs_out(table: Table, share: float, why: str, column: Column | None = None) -> None:
    level = "important" if share > 0.8 else "routine"
    where = column or table.key
    table.world.defect("integer_key_exhaustion", table.dot(where), why=f"{share:.0%}: {why}", level=level)


def _own_sequence(table: Table, last: int) -> None:
    """Advance the sequence behind a table's key."""
    escaped = table.sql.replace("'", "''")
    name = table.key.name.replace("'", "''")
    table.world.last.append(f"select setval(pg_get_serial_sequence('{escaped}', '{name}'), {last})")


@defect("integer_key_exhaustion")
def identity_runs_out(w: World) -> None:
    share = w.rng.choice((0.55, 0.7, 0.85))
    table = _keyed(w, "int")
    name = quoted(table.schema, w.names.new("own", "seq"))
    table.key.more = f"generated by default as identity (sequence name {name})"
    _own_sequence(table, int(INT4 * share))
    _key_runs_out(table, share, "an identity")
    level = "important" if share > 0.8 else "routine"
    w.defect("sequence_exhaustion", name, why="the identity's own sequence", level=level)


@defect("integer_key_exhaustion")
def serial_of_a_bigint_sequence(w: World) -> None:
    share = w.rng.choice((0.6, 0.9))
    table = _keyed(w, "int")
    name = _sequence(w, "", int(INT4 * share), table.schema)
    escaped = name.replace("'", "''")
    table.key.more = f"default nextval('{escaped}')"
    w.last.append(f"alter sequence {name} owned by {table.dot(table.key)}")
    _key_runs_out(table, share, "the column is an int, its sequence a bigint")


@defect("integer_key_exhaustion")
def smallint_runs_out(w: World) -> None:
    table = _keyed(w, "smallint", value=f"{INT2} - i")
    _key_runs_out(table, 0.99, "a smallint key, told by its values")


@defect("integer_key_exhaustion")
def values_run_out(w: World) -> None:
    table = _keyed(w, "int", value="1600000000 - i * 1000")
    _key_runs_out(table, 0.74, "an int key without a sequence, told by its values")


@defect("integer_key_exhaustion")
def special_key_runs_out(w: World) -> None:
    how = w.rng.choice(("domain", "unique", "partitioned", "second of two"))
    if how == "partitioned":
        table = w.table(TINY, partitions="hash")
        table.key.type, table.key.value = "int", "1500000000 + i"
    elif how == "domain":
        table = w.table(TINY)
        name = quoted(table.schema, w.names.new("number_type"))
        w.first.append(f"create domain {name} as int")
        table.key.type, table.key.value = name, "1500000000 + i"
    else:
        table = w.table(TINY)
        column = table.column("int", "1500000000 + i", more="not null")
        if how == "unique":
            table.index(column, unique=True)
        else:
            table.also_key = column
        _key_runs_out(table, 0.7, how, column)
        return
    _key_runs_out(table, 0.7, how)


@decoy("integer_key_exhaustion")
def keys_with_room(w: World) -> None:
    if w.rng.random() < 0.5:
        table = _keyed(w, "bigint", more="generated always as identity")
        _own_sequence(table, INT4 + 5)
        w.decoy("integer_key_exhaustion", table.dot(table.key), "a bigint")
    else:
        table = _keyed(w, "int", more="generated by default as identity")
        _own_sequence(table, int(INT4 * 0.3))
        w.decoy("integer_key_exhaustion", table.dot(table.key), "a third of the range")


@decoy("integer_key_exhaustion")
def large_but_no_key(w: World) -> None:
    table = w.table(TINY)
    column = table.column("int", "2000000000 + i")
    w.decoy("integer_key_exhaustion", table.dot(column), "no key")
