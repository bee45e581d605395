"""Statements of pg_stat_statements made runnable: their constants named, and sampled from the right columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fix_databases import Place, made, on_every_version
from pgrunbook import sqlfile
from pgrunbook.audit.runnable import NotRunnable, Runnable, plannable, runnable
from pgrunbook.db import Database
from pgrunbook.measure.workload import BindSet, sample_binds
from pgrunbook.runbook import Query

pytestmark = pytest.mark.usefixtures("few_statements")

SCHEMA = """
create schema app; create schema other; create type app.kind as enum ('in', 'out');
create table other.calls (id int, org int);
create table app.org (id int primary key, name text not null);
create table app.calls (
    id bigint primary key, org int not null references app.org, kind app.kind, phone varchar(20), n int,
    at timestamptz not null, gone boolean not null, "Ünï x" text, tags text[], data jsonb
);
insert into app.org select i, 'org ' || i from generate_series(1, 5) i;
insert into app.calls select i, 1 + i % 5 % 4, (array['in', 'out'])[1 + i % 2]::app.kind, '+49' || i % 37, i % 11,
    timestamptz '2025-01-01' + i * interval '1 hour', i % 3 = 0, 'X' || i % 3, array['t' || i % 2], '{}'
    from generate_series(1, 500) i;
create function app.volatile_one() returns int language sql as 'select 1';
analyze;
"""


@pytest.fixture(scope="module")
def calls(server: str) -> Iterator[Database]:
    """A session on a database with calls of organisations; the search_path does not lead to them."""
    with made(server) as place:
        place.run(SCHEMA)
        with place.connect(read_only=True) as session:
            yield session


def made_runnable(calls: Database, text: str, **options: float) -> Runnable:
    """The statement with its tables known, as the facts know them."""
    oids = [oid for (oid,) in calls.rows("select oid::int8 from pg_class where relnamespace = 'app'::regnamespace")]
    return runnable(calls, text, relations=oids, **options)


def answers(calls: Database, found: Runnable) -> dict[str, tuple[BindSet, list[tuple]]]:
    """What the query says for each set of sampled values, as the baseline would run it."""
    (statement,) = sqlfile.split(found.sql, variables=True)
    query = Query("q", "t", (statement,), "", found.harmless, 1, found.binds)
    sets = sample_binds(calls, query, datetime(2025, 1, 10, tzinfo=UTC), 5)
    return {s.label: (s, calls.rows(statement.sql, [s.values[p] for p in statement.parameters])) for s in sets}


def test_constant__is_named_after_its_column_and_sampled_from_it(calls: Database) -> None:
    """Common values, rare ones, and one that no row has; further conditions hold for the sample as well."""
    found = made_runnable(calls, "select id, n from calls where org = $1 and gone")
    assert found.sql == "SELECT id, n\nFROM app.calls\nWHERE\n  org = :'org'::integer\n  AND gone"
    assert (found.by, found.harmless, found.notes) == (("org",), (), ())
    told = answers(calls, found)
    assert list(told) == ["common 1", "common 2", "common 3", "rare 1", "rare 2", "rare 3", "absent"]
    assert told["common 1"][0].values == {"org": "1"}
    assert [len(rows) for _, rows in told.values()] == [66, 34, 33, 33, 33, 34, 0]
    assert "where gone\n    and org is not null\ngroup by 1\n" in found.binds["common"]


def test_values_of_one_statement__belong_together(calls: Database) -> None:
    """They are sampled through the statement's own joins, so that they are found; in an IN list each is another."""
    found = made_runnable(
        calls,
        "select c.id from calls c join org o on o.id = c.org and o.name = $4"
        " where c.n in ($1, $2, $3) and c.kind = $5 order by c.id",
    )
    told = answers(calls, found)
    values, _ = told["common 1"]
    assert values.values.keys() == {"name", "n", "n_2", "n_3", "kind"}
    assert len({values.values[n] for n in ("n", "n_2", "n_3")}) == 3
    assert all(rows for label, (_, rows) in told.items() if label != "absent")
    assert told["absent"][1] == []


def test_range__is_sampled_by_its_place_among_the_values(calls: Database) -> None:
    """One end cuts off a tenth, two ends hold a tenth; a rare one is narrower; a row is compared column by column."""
    newest = answers(calls, made_runnable(calls, "select id from calls where at > $1"))
    assert [len(rows) for _, rows in newest.values()] == [50, 0]
    between = answers(calls, made_runnable(calls, "select id from calls where at between $1 and $2"))
    assert [len(rows) for _, rows in between.values()] == [51, 2]
    page = made_runnable(calls, "select id from calls where (at, id) < ($1, $2) order by at desc, id desc limit $3")
    assert [rows for _, rows in answers(calls, page).values()] == [[(1,)], [(0,)]]
    assert page.by == ("at", "id")


def test_order_that_the_plan_chooses__is_counted_and_not_compared(calls: Database) -> None:
    """A LIMIT, a DISTINCT ON or an array may hold other rows with another index; a count of them may not."""
    limited = made_runnable(calls, "select * from calls where org = $1 limit $2", rows_per_call=12.4)
    assert limited.sql.startswith("SELECT count(answer) AS rows\nFROM (\n  SELECT *\n")
    assert limited.harmless == ("row_limit",)
    assert "Assumed, for no column tells: row_limit 12." in limited.notes
    assert answers(calls, limited)["common 1"][1] == [(12,)]
    for text in ("select distinct on (org) id from calls where n = $1", "select array_agg(id) from calls where n = $1"):
        assert "count(answer)" in made_runnable(calls, text).sql
    for text in (
        "select distinct org from calls where n = $1",
        "select array_agg(id order by id) from calls where n = $1",
    ):
        assert "count(answer)" not in made_runnable(calls, text).sql


def test_clock__is_a_value_of_the_run(calls: Database) -> None:
    """So that verify asks for the same rows as the baseline; a span of time that nobody knows is said to be assumed."""
    found = made_runnable(calls, "select id from calls where at > now() - interval $1 and at < current_date")
    assert "at > :'now'::TIMESTAMPTZ - :'span'::INTERVAL" in found.sql
    assert set(found.harmless) == {"now", "span"}
    assert found.notes == ("Assumed, for no column tells: span '7 days'.",)
    ((values, rows),) = answers(calls, found).values()
    assert values.values["now"] == "2025-01-10T00:00:00+00:00"
    assert len(rows) == 167


def test_write__is_asked_as_what_it_looks_for(calls: Database) -> None:
    """An UPDATE and a DELETE by the rows of their WHERE, a FOREIGN KEY's check without its lock."""
    deleted = made_runnable(calls, "delete from calls where at < $1")
    assert deleted.sql.startswith("SELECT count(*) AS rows\nFROM app.calls\n")
    assert deleted.notes == ("The rows that a DELETE looks for.",)
    assert answers(calls, deleted)["common"][1] == [(49,)]
    updated = made_runnable(calls, "update calls c set n = n + $1 from org o where o.id = c.org and o.name = $2")
    assert updated.by == ("name",)
    check = "select $2 from only app.calls x where $1 operator(pg_catalog.=) org for key share of x"
    assert made_runnable(calls, check).sql == (
        "SELECT :'unknown'::text FROM ONLY app.calls x WHERE :'org'::integer = org"
    )


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("select date_trunc($1, at), count(*) from calls where org = $2 group by date_trunc($3, at)", ("org",)),
        ("select extract($1 from at) from calls where n = $2", ("n",)),
        ("select * from calls where id = any($1)", ("id",)),
        ("select * from calls where n in ($1 /*, ... */)", ("n",)),
        ('select id from calls where phone like $1 or lower("Ünï x") = lower($2)', ("phone", "Ünï x")),
        (
            "select exists(select $3 from calls where org = (select id from org where name = $1) and n < $2)",
            ("name", "n"),
        ),
        ("select id::text from calls where n = $1 union all select name from org where id = $2", ("n", "id")),
        ("with x as (select * from calls where n = $1) select count(*) from x", ("n",)),
        ("select id from calls where n is not distinct from $1 and kind <> $2 and gone = $3", ("n", "kind", "gone")),
        ("select count(*) filter (where kind = $1) from calls where (org, n) = ($2, $3)", ("kind", "org", "n")),
        ("select id from calls where n = $1 -- :x\n", ("n",)),
        ("select 1", ()),
    ],
)
def test_statement_of_many_forms__runs_with_what_is_sampled(calls: Database, text: str, by: tuple[str, ...]) -> None:
    """Every class of values that there is."""
    found = made_runnable(calls, text)
    assert found.by == by
    assert answers(calls, found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("insert into calls (n) values ($1)", "it writes, and looks nothing up"),
        ("with x as (delete from calls where n = $1 returning 1) select * from x", "it writes inside a query"),
        ("select * from calls where n = $1 limi", "can't be parsed"),
        ("select * from calls where random() < $1", r"calls random\(\)"),
        ("select app.volatile_one() from calls where n = $1", r"calls volatile_one\(\)"),
        ("select * from calls where tags @> $1", "by the operator @>"),
        ("select * from calls where data->>$1 = $2", "by the operator ->>"),
        ("select n, count(*) from calls group by n having count(*) > $1", "with no column of a table"),
        ("with x as (select * from calls) select * from x where n = $1", "with what is no column of one table"),
        ("select * from nowhere where a = $1", "there is no table nowhere"),
        ("select * from calls where $1 is null or n = $1", "the server says: could not determine data type"),
        ("select tags[$1:$2] from calls where n = $3", "can't be named"),
        ("select 1; select 2", "is not one statement"),
        ("-- nothing", "or can't be read as a whole"),
    ],
)
def test_statement_that_can_t_be_run__is_told_with_the_reason(calls: Database, text: str, reason: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(NotRunnable, match=reason):
        made_runnable(calls, text)


def test_constant_that_the_server_left__is_taken_out(calls: Database) -> None:
    """It may be somebody's name; a file of the runbook must not hold it."""
    found = made_runnable(calls, "select id from calls where phone = '+49 30 1' and n = $1")
    assert "+49 30 1" not in found.sql
    assert found.by == ("phone", "n")


def test_name_of_two_tables__is_the_one_that_the_statement_is_known_to_be_about(calls: Database) -> None:
    """Where nothing is known, the session's search_path decides; here it leads to neither."""
    (oid,) = calls.rows("select 'other.calls'::regclass::oid::int8")[0]
    assert "FROM other.calls" in runnable(calls, "select * from calls where org = $1", relations=[oid]).sql
    with pytest.raises(NotRunnable, match="no table calls"):
        runnable(calls, "select * from calls where org = $1")
    assert plannable(calls, "update calls set org = $1", relations=[oid]) == "UPDATE other.calls SET org = $1"
    with pytest.raises(NotRunnable, match="nothing that is planned"):
        plannable(calls, "vacuum calls")


def test_large_table__is_sampled_in_part(server: str) -> None:
    """Not read as a whole for the sake of three values."""
    with made(server) as place:
        place.run(SCHEMA, "update pg_class set reltuples = 2e8 where oid = 'app.calls'::regclass")
        with place.connect(read_only=True) as session:
            found = runnable(session, "select * from app.calls c join app.org o on o.id = c.org where c.n = $1")
    assert "from app.calls as c tablesample system (1) repeatable (42)\n" in found.binds["common"]


@on_every_version
def test_statement__is_never_run_while_it_is_drafted(database: Place) -> None:
    """It is planned by the server, no more: an error that only a run would raise does not come."""
    database.run("create table t (a int)", "insert into t values (0)")
    with database.connect(read_only=True) as session:
        assert runnable(session, "select 1 / a from t where a = $1").by == ("a",)
        assert session.rows("select name from pg_prepared_statements") == []
